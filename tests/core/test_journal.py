import fcntl
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmbackup.errors import ConfigError
from vmbackup.journal import Intent, Journal, dead_journals

# Makes things, unmakes one of them, says that it has, and waits to be killed.
WRITER = """
import sys
from pathlib import Path
from vmbackup.journal import Journal

journal = Journal.begin(Path(sys.argv[1]), sys.argv[2], "pool-1")
task = journal.intend("task", name="export")
snapshot = journal.intend("snapshot", name="web-1", before=["a", "b"])
journal.learn(snapshot, uuid="5eed")
journal.learn(snapshot, disks=["c"], uuid="feed")
folder = journal.intend("folder", folder="x/y")
journal.close(task)
print("made", flush=True)
sys.stdin.readline()
journal.__exit__(None, None, None)
"""


@contextmanager
def writer(folder: Path, run: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has an open journal."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        try:
            yield process
        finally:
            process.kill()


def killed(folder: Path, run: str) -> Path:
    """The journal of a process that was killed at its work."""
    with writer(folder, run) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return folder / f"{run}.jsonl"


def left(folder: Path) -> list[tuple[str, str, list[tuple[str, dict[str, object]]]]]:
    """What the dead left open: run, pool, and intents with their facts, the latest first."""
    return [
        (journal.run_id, journal.pool, [(intent.kind, dict(intent.facts)) for intent in journal.open])
        for journal in dead_journals(folder)
    ]


OPEN: list[tuple[str, dict[str, object]]] = [
    ("folder", {"folder": "x/y"}),
    ("snapshot", {"name": "web-1", "before": ["a", "b"], "uuid": "feed", "disks": ["c"]}),
]


def test_a_killed_process_leaves_what_it_had_open(tmp_path: Path) -> None:
    killed(tmp_path, "0001")
    assert left(tmp_path) == [("0001", "pool-1", OPEN)]
    assert left(tmp_path) == [("0001", "pool-1", OPEN)]


def test_a_living_one_s_is_left_alone(tmp_path: Path) -> None:
    killed(tmp_path, "0001")
    with writer(tmp_path, "0002") as process:
        assert [run for run, _, _ in left(tmp_path)] == ["0001"]
        process.send_signal(signal.SIGSTOP)
        assert [run for run, _, _ in left(tmp_path)] == ["0001"]
        process.kill()
        process.wait()
        assert [run for run, _, _ in left(tmp_path)] == ["0001", "0002"]


def test_a_process_that_ends_with_something_open_leaves_its_journal_too(tmp_path: Path) -> None:
    with writer(tmp_path, "0001") as process:
        process.communicate("\n")
        assert process.returncode == 0
    assert left(tmp_path) == [("0001", "pool-1", OPEN)]


def test_who_unmakes_everything_ends_the_journal(tmp_path: Path) -> None:
    path = killed(tmp_path, "0001")
    for journal in dead_journals(tmp_path):
        for intent in journal.open:
            assert path.exists()
            journal.close(intent)
    assert not path.exists()
    assert left(tmp_path) == []


def test_who_unmakes_a_part_leaves_the_rest(tmp_path: Path) -> None:
    killed(tmp_path, "0001")
    for journal in dead_journals(tmp_path):
        journal.learn(journal.open[1], tried="yes")
        journal.close(journal.open[0])
    ((_, _, intents),) = left(tmp_path)
    assert intents == [("snapshot", OPEN[1][1] | {"tried": "yes"})]


def test_a_dead_journal_can_be_gone_on_with(tmp_path: Path) -> None:
    killed(tmp_path, "0001")
    for journal in dead_journals(tmp_path):
        more = journal.intend("vbd", uuid="1")
        assert more.number not in {intent.number for intent in journal.open[1:]}
    ((_, _, intents),) = left(tmp_path)
    assert [kind for kind, _ in intents] == ["vbd", "folder", "snapshot"]


def test_a_dead_journal_is_one_s_own_while_one_looks_at_it(tmp_path: Path) -> None:
    killed(tmp_path, "0001")
    for _ in dead_journals(tmp_path):
        assert left(tmp_path) == []
    assert len(left(tmp_path)) == 1


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_line_that_was_cut_says_nothing(tmp_path: Path, cut: int) -> None:
    path = killed(tmp_path, "0001")
    torn = b'{"intend": 4, "kind": "vbd", "facts": {}}'[:cut]
    with path.open("ab") as file:
        file.write(torn)
    assert left(tmp_path) == [("0001", "pool-1", OPEN)]


def test_what_is_written_after_a_cut_line_is_not_lost(tmp_path: Path) -> None:
    path = killed(tmp_path, "0001")
    with path.open("ab") as file:
        file.write(b'{"intend": 4, "ki')
    for journal in dead_journals(tmp_path):
        journal.close(journal.open[0])
    ((_, _, intents),) = left(tmp_path)
    assert intents == OPEN[1:]


@pytest.mark.parametrize("data", [b"", b'{"run": "00', b"\0" * 100])
def test_a_journal_that_was_cut_at_its_start_holds_nothing_and_goes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "0001.jsonl").write_bytes(data)
    assert left(tmp_path) == [("0001", "", [])]
    assert list(tmp_path.iterdir()) == []


def test_a_journal_with_nothing_open_goes_with_its_writer(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1") as journal:
        intent = journal.intend("task", name="export")
        assert journal.open == (intent,)
        journal.close(intent)
        journal.close(intent)
        assert (tmp_path / "0001.jsonl").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_with_something_open_stays_also_when_its_writer_fails(tmp_path: Path) -> None:
    def run() -> None:
        with Journal.begin(tmp_path, "0001", "pool-1") as journal:
            journal.intend("task", name="export")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run()
    assert left(tmp_path) == [("0001", "pool-1", [("task", {"name": "export"})])]


def test_an_intent_is_on_the_disk_before_the_thing_is_made(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1") as journal:
        intent = journal.intend("task", name="export")
        assert b'"export"' in (tmp_path / "0001.jsonl").read_bytes()
        journal.close(intent)


def test_a_journal_is_its_owner_s_alone(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1") as journal:
        assert (tmp_path / "0001.jsonl").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["0001.jsonl"]
        assert journal.open == ()


def test_a_run_that_begins_while_another_looks_for_the_dead_keeps_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., object] = fcntl.flock
    looked: list[object] = []

    def late(file: object, how: int) -> object:
        # Between the making of a journal and its lock, another run looks at everything that is there.
        if how == fcntl.LOCK_EX and not looked:
            looked.append(None)
            looked.extend(left(tmp_path))
        return real(file, how)

    monkeypatch.setattr("vmbackup.journal.fcntl.flock", late)
    with Journal.begin(tmp_path, "0001", "pool-1") as journal:
        journal.intend("task")
        assert looked == [None]
        assert [path.name for path in tmp_path.iterdir()] == ["0001.jsonl"]


def test_facts_of_a_kind_that_is_not_expected_are_none(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1") as journal:
        intent = journal.intend("snapshot", name="web", before=["a"])
        assert (intent.text("name"), intent.text("before"), intent.text("other")) == ("web", "", "")
        assert (intent.texts("before"), intent.texts("name"), intent.texts("other")) == (["a"], [], [])
        journal.close(intent)


OPEN_FILES = """
import os
print([os.readlink(f"/proc/self/fd/{n}") for n in range(3, 20) if os.path.exists(f"/proc/self/fd/{n}")])
"""


def test_an_open_journal_is_not_inherited_by_children(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1"):
        command = [sys.executable, "-c", OPEN_FILES]
        listed = subprocess.run(command, check=True, capture_output=True, text=True, close_fds=False).stdout
        assert "0001" not in listed


def run_killed(folder: Path, *, entered: int) -> None:
    """The journal of a run that was killed after it had entered so many steps."""
    code = f"""
import os, signal, sys
from pathlib import Path
from vmbackup.journal import Journal
journal = Journal.begin(Path(sys.argv[1]), "0001", "pool-1", "the run of weekend")
for step in ["begin", "export"][:{entered}]:
    journal.enter(step, "web")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize(("entered", "step", "vm"), [(0, "", ""), (1, "begin", "web"), (2, "export", "web")])
def test_a_dead_run_s_journal_says_how_far_it_had_come(tmp_path: Path, entered: int, step: str, vm: str) -> None:
    run_killed(tmp_path, entered=entered)
    (journal,) = dead_journals(tmp_path)
    assert (journal.way.doing, journal.way.step, journal.way.vm) == ("the run of weekend", step, vm)
    assert datetime.strptime(journal.way.started, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_a_dead_run_s_journal_stays_until_its_death_is_told(tmp_path: Path) -> None:
    run_killed(tmp_path, entered=1)
    for _ in range(2):
        (journal,) = dead_journals(tmp_path)
        assert not journal.way.told
    for journal in dead_journals(tmp_path):
        journal.tell()
    assert list(tmp_path.iterdir()) == []


def test_a_death_is_told_once_though_something_stays_open(tmp_path: Path) -> None:
    run_killed(tmp_path, entered=1)
    for journal in dead_journals(tmp_path):
        journal.intend("folder", folder="x/y")
        journal.tell()
    (journal,) = dead_journals(tmp_path)
    assert journal.way.told
    assert journal.open


def test_a_run_that_came_to_its_end_is_not_dead_though_something_stayed_open(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1", "the run of weekend") as journal:
        journal.intend("folder", folder="x/y")
    (found,) = dead_journals(tmp_path)
    assert found.way.told
    assert found.open


def test_the_journal_of_a_run_that_came_to_its_end_goes(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, "0001", "pool-1", "the run of weekend") as journal:
        journal.enter("export", "web")
        assert (journal.way.step, journal.way.vm) == ("export", "web")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_nothing_is_begun_that_is_not_written_down(small_disk: Path) -> None:
    (small_disk / "fill").write_bytes(bytes(8192))
    journal = Journal.begin(small_disk, "run", "pool-1")
    made: list[Intent] = []

    def fill() -> None:
        while True:
            made.append(journal.intend("task", name="x" * 300))

    with pytest.raises(ConfigError, match=r"run\.jsonl: cannot be written: No space left on device"):
        fill()
    for each in made[:-1]:
        journal.close(each)
    journal.enter("export")
    assert journal.open == (made[-1],), "what is gone is gone, though it cannot be written down"
    (small_disk / "fill").unlink()
    later = journal.intend("task", name="later")
    lines = (small_disk / "run.jsonl").read_bytes().splitlines()
    assert b"later" in lines[-1], "the line that was cut has not swallowed it"
    assert len(lines[-2]) < len(lines[-3])
    journal.close(made[-1])
    journal.close(later)
    journal.__exit__(None, None, None)
    assert list(small_disk.iterdir()) == []


def test_a_journal_that_cannot_be_begun_leaves_nothing(small_disk: Path) -> None:
    with (small_disk / "fill").open("wb", buffering=0) as fill, suppress(OSError):
        while fill.write(bytes(4096)):
            continue
    with pytest.raises(ConfigError, match="cannot be written"):
        Journal.begin(small_disk, "run", "pool-1")
    assert [path.name for path in small_disk.iterdir()] == ["fill"]
