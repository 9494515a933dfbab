"""A run as it is seen while it goes on: on a real terminal, from another one, and in logs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pexpect
import pyte
import pytest
from tests.integration.world import World, command, job

from vmbackup.simulator import CallFails, DiskSpec, Simulator, Slow, Stall, TaskFails
from vmbackup.state import State

pytestmark = pytest.mark.timeout(300)
MIB = 1 << 20
HOSTILE = ["12:ab:1e :smile:", "[bold]x[/]", "日本語のとても長い名前のサーバー", "e\u0301" * 30]


class Terminal:
    """A program on a terminal, and what a person sees there."""

    def __init__(self, arguments: list[str], env: dict[str, str], columns: int, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        env = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}} | {"TERM": "xterm"}
        self.child = pexpect.spawn(
            arguments[0], arguments[1:], env=env, dimensions=(rows, columns), timeout=60, encoding="utf-8"
        )

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the terminal show what comes, until something is seen."""
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, self.text
            try:
                self._stream.feed(self.child.read_nonblocking(1 << 16, timeout=0.1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert condition(), self.text
                return

    def shows(self, *patterns: str) -> None:
        self.until(lambda: all(re.search(pattern, self.text, re.MULTILINE) for pattern in patterns))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def ended(self) -> int:
        """Read to the end; return the exit code."""
        try:
            while True:
                self._stream.feed(self.child.read_nonblocking(1 << 16, timeout=120))
        except pexpect.EOF:
            self.child.close()
        assert self.child.exitstatus is not None, f"ended by signal {self.child.signalstatus}"
        return self.child.exitstatus

    def close(self) -> None:
        self.child.close(force=True)


@pytest.fixture
def fleet(pool: Simulator, tmp_path: Path) -> World:
    """VMs with names that want to speak to the terminal, and one that comes after them."""
    for number, name in enumerate(HOSTILE):
        pool.add_vm(name, [DiskSpec(2 * MIB, seed=number, fill=0.9)])
    world = World(tmp_path, pool)
    world.configure(job("*"))
    world.init_target()
    return world


@pytest.fixture
def terminals() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def on_terminal(terminals: ExitStack, world: World, columns: int, *arguments: str, rows: int = 24) -> Terminal:
    terminal = Terminal(list(command(*arguments)), world.environ(), columns, rows)
    terminals.callback(terminal.close)
    return terminal


@contextmanager
def stalled(world: World, *, nth: int = 2) -> Iterator[None]:
    """While it lasts, an export stands still after its first MiB, but not for ever."""
    rule = world.pool.faults.add(Stall(path="/export", nth=nth, after=MIB))
    try:
        yield
    finally:
        with suppress(LookupError):
            world.pool.faults.remove(rule)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_run_on_a_terminal(fleet: World, terminals: ExitStack, columns: int) -> None:
    fleet.pool.faults.add(TaskFails(path="/export", nth=1, code="VDI_IO_ERROR"))
    with stalled(fleet):
        terminal = on_terminal(terminals, fleet, columns, "run", "test")
        terminal.shows(
            r"test: 1 of 4 VMs, 1 failed", r"failed .*export: VDI", r" export .* \d+%", "slowest: pool or net"
        )
        live = terminal.lines
    assert len(live) == 6 + (columns < 76), "a line a VM, and those of the run"
    assert sum("waiting" in line for line in live) == 2
    if columns > 40:
        assert any(":smile:" in line for line in live)
        assert any("[bold]x[/]" in line for line in live)
    assert terminal.ended() == 3
    assert not terminal.screen.cursor.hidden
    assert "waiting" not in terminal.text, "the live lines are gone"
    assert "not all good: 3 good, 1 failed" in terminal.text.replace("\n", "")


def test_warnings_stand_above_and_nothing_is_garbled(fleet: World, terminals: ExitStack) -> None:
    fleet.pool.faults.add(CallFails(method="task.destroy", nth=None, code="INTERNAL_ERROR", params=("no",)))
    with stalled(fleet, nth=3):
        terminal = on_terminal(terminals, fleet, 80, "run", "test", rows=40)
        terminal.shows("test: 2 of 4 VMs", "slowest: pool", "^warning cleanup: ")
        lines = terminal.lines
        head = next(number for number, line in enumerate(lines) if line.startswith("test: "))
        assert not [line for line in lines[head:] if "warning cleanup" in line]
        assert len(lines[head:]) == 6
        assert not [line for line in lines[:head] if "waiting" in line or "export  " in line]
    assert terminal.ended() == 0


def test_a_terminal_that_changes_its_size(fleet: World, terminals: ExitStack) -> None:
    with stalled(fleet):
        terminal = on_terminal(terminals, fleet, 120, "run", "test")
        terminal.shows("1 of 4 VMs", "at most")
        terminal.resize(40, 10)
        terminal.until(lambda: "at most" not in terminal.text and len(terminal.lines) == 7)
        assert sum(line.startswith("test: ") for line in terminal.lines) == 1
        terminal.resize(200, 6)
        terminal.shows("1 of 4 VMs", r"2 more waiting|1 more waiting", "at most")
        assert len(terminal.lines) == 5
    assert terminal.ended() == 0


def test_ctrl_c_leaves_a_clean_terminal(fleet: World, terminals: ExitStack) -> None:
    with stalled(fleet):
        terminal = on_terminal(terminals, fleet, 80, "run", "test")
        terminal.shows("1 of 4 VMs", "slowest: pool")
        terminal.child.sendintr()
        assert terminal.ended() == 130
    assert "stopping; cleaning up" in terminal.text
    assert re.search(r"^stopped: 1 good, 1 failed", terminal.text, re.MULTILINE)
    assert not terminal.screen.cursor.hidden
    assert "waiting" not in terminal.text


@contextmanager
def under_cron(world: World, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A run that nobody looks at."""
    process = subprocess.Popen(
        command("run", "test", *arguments),
        env=world.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def begun(run: "subprocess.Popen[str]") -> None:
    """Wait until the run has its plan."""
    assert run.stdout is not None
    assert "job test: 4 VMs" in run.stdout.readline()


WATCHING = "test: 2 of 4 VMs, 1 failed"


def test_watch_attaches_late_and_ends_as_the_run_does(fleet: World, terminals: ExitStack) -> None:
    fleet.pool.faults.add(TaskFails(path="/export", nth=1, code="VDI_IO_ERROR"))
    with stalled(fleet, nth=3), under_cron(fleet) as run:
        begun(run)
        wide = on_terminal(terminals, fleet, 80, "watch", "test")
        wide.shows(WATCHING, "failed .*VDI_IO_ERROR", " good ", " export ", "slowest: pool or network")
        narrow = on_terminal(terminals, fleet, 40, "watch")
        narrow.shows(WATCHING, "failed .*export: VDI", " good ", " export ")
        fleet.pool.faults.clear()
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 3, output
    for terminal in (wide, narrow):
        assert terminal.ended() == 3
        assert "the last run ended at" in terminal.text.replace("\n", " ")
        assert "3 good, 1 failed" in terminal.text.replace("\n", " ")
        assert not terminal.screen.cursor.hidden
    done = fleet.cli("watch", "test")
    assert done.returncode == 17
    assert "no run of test is under way" in done.stderr
    assert "3 good, 1 failed, exit code 3" in done.stderr
    assert "3 good, 1 failed, exit code 3" in fleet.cli("watch").stderr


def test_who_stops_watching_or_hangs_does_the_run_no_harm(fleet: World, terminals: ExitStack) -> None:
    fleet.pool.faults.add(TaskFails(path="/export", nth=1, code="VDI_IO_ERROR"))
    with stalled(fleet, nth=3), under_cron(fleet) as run:
        begun(run)
        leaving, killed, hanging = (on_terminal(terminals, fleet, 80, "watch") for _ in range(3))
        for terminal in (leaving, killed, hanging):
            terminal.shows(WATCHING)
        leaving.child.sendintr()
        assert leaving.ended() == 130
        assert not leaving.screen.cursor.hidden
        killed.child.kill(signal.SIGKILL)
        hanging.child.kill(signal.SIGSTOP)
        fleet.pool.faults.clear()
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 3, output
        hanging.child.kill(signal.SIGCONT)
        assert hanging.ended() == 3


def test_a_run_that_is_killed_is_not_said_to_have_ended_well(fleet: World) -> None:
    with stalled(fleet), under_cron(fleet) as run:
        begun(run)
        watching = subprocess.Popen(
            command("watch", "test"),
            env=fleet.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("good ")
        run.kill()
        output, _ = watching.communicate(timeout=120)
    assert "has ended without a word" in output
    done = fleet.cli("watch", "test")
    assert (done.returncode, "no run of test is under way" in done.stderr) == (17, True)


def test_a_run_that_cannot_open_its_socket_goes_on(fleet: World) -> None:
    live = fleet.folder / "state" / "live"
    live.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1,size=4k", "none", str(live)], check=True)
    try:
        with stalled(fleet), under_cron(fleet) as run:
            begun(run)
            done = fleet.cli("watch", "test")
            assert done.returncode == 17
            assert f"it cannot be watched: process {run.pid} " in done.stderr
            fleet.pool.faults.clear()
            output, _ = run.communicate(timeout=120)
            assert run.returncode == 0, output
        assert list(live.iterdir()) == []
    finally:
        subprocess.run(["umount", str(live)], check=True)


def test_watch_as_json_and_wrong_names(fleet: World) -> None:
    with under_cron(fleet, "--json") as run:
        fleet.pool.faults.add(Slow(path="/export", nth=None, rate=2 * MIB))
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["message_type"] == "plan"
        done = fleet.cli("watch", "--json")
        assert done.returncode == 0, done.stderr
        pictures = [json.loads(line) for line in done.stdout.splitlines()]
        assert pictures[-1]["counts"]["good"] == 4
        assert pictures[-1]["code"] == 0
    assert fleet.cli("watch", "nosuch").returncode == 2


def test_quiet_says_nothing_of_what_is_good(world: World) -> None:
    done = world.cli("run", "test", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    world.pool.faults.add(TaskFails(path="/export", nth=None, code="VDI_IO_ERROR"))
    done = world.cli("run", "test", "-q")
    assert done.returncode == 4
    lines = done.stdout.splitlines()
    assert [line.split(" ", 1)[1].split(":")[0] for line in lines] == ["error web 01", "not all good"]
    assert done.stderr == ""


def test_quiet_says_what_stops_a_run_before_any_vm(world: World) -> None:
    (world.folder / "pool.password").write_text("wrong-canary")
    done = world.cli("run", "test", "--quiet")
    assert done.returncode == 12
    assert " error test: prepare: " in done.stdout
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("way", ["option", "configuration"])
def test_a_log_as_json(world: World, way: str) -> None:
    world.pool.faults.add(CallFails(method="task.destroy", nth=None, code="INTERNAL_ERROR", params=("no",)))
    if way == "configuration":
        world.configure(job("web*"), head=world.head + '\n[log]\nformat = "json"\n')
    done = world.cli("run", "test", *(["--log-format", "json"] if way == "option" else []))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["job"] for line in lines} == {"test"}
    (good,) = [line for line in lines if line["message"].startswith("good ")]
    assert (good["level"], good["vm"], good["target"]) == ("info", "web 01", "disk")
    assert (good["read"] > 4 * MIB, good["seconds"] > 0) == (True, True)
    assert any(line["level"] == "warning" and line["step"] == "cleanup" for line in lines)
    assert lines[-1]["message"].startswith("all good: 1 good")


def test_the_format_is_refused_where_it_means_nothing(world: World) -> None:
    assert world.cli("run", "test", "--json", "--quiet").returncode == 2
    assert world.cli("run", "test", "--log-format", "xml").returncode == 2


def test_in_the_journal_each_line_has_its_fields(fleet: World) -> None:
    fleet.pool.faults.add(TaskFails(path="/export", nth=1, code="VDI_IO_ERROR"))
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.integration.journal", *command("run", "test")],
        env=fleet.environ(),
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    came = json.loads(done.stdout)
    first, failed, *good, last = came["entries"]
    assert (came["code"], len(good)) == (3, 3)
    assert (first["MESSAGE"], first["PRIORITY"]) == ("job test: 4 VMs to disk", "6")
    assert {entry["VMBACKUP_JOB"] for entry in came["entries"]} == {"test"}
    assert (failed["PRIORITY"], failed["VMBACKUP_CODE"], failed["VMBACKUP_STEP"]) == ("3", "VDI_IO_ERROR", "export")
    assert {failed["VMBACKUP_VM"], *(entry["VMBACKUP_VM"] for entry in good)} == set(HOSTILE)
    assert all(int(entry["VMBACKUP_READ"]) > MIB for entry in good)
    assert (last["MESSAGE"][:12], last["PRIORITY"]) == ("not all good", "3")


@pytest.mark.parametrize("pages", [0, 4])
def test_a_state_folder_that_is_full(world: World, pages: int) -> None:
    """Where nothing can be written no run begins; where a journal has room, the backup is good, and can be watched."""
    world.run()
    before, files, state = world.records(), world.files(), world.folder / "full"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(state)], check=True)
    try:
        (state / "installation.json").write_bytes((world.folder / "state" / "installation.json").read_bytes())
        State(state)
        with (state / "fill").open("wb", buffering=0) as fill, suppress(OSError):
            while fill.write(b"x" * 4096):
                continue
        os.truncate(state / "fill", (state / "fill").stat().st_size - pages * 4096)
        done = world.cli("run", "test", "--state", str(state))
    finally:
        subprocess.run(["umount", str(state)], check=True)
    assert done.stderr == ""
    assert "this is a bug" not in done.stdout
    if pages:
        assert done.returncode == 0, done.stdout
        assert len(world.backups()) == 2
    else:
        assert done.returncode == 2, done.stdout
        assert re.search(r"journal/.*: cannot be written: No space left on device\n +Make room there", done.stdout)
        assert (world.records(), world.files()) == (before, files)


def test_a_run_whose_log_nobody_reads_any_more_goes_on(world: World) -> None:
    with subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    assert "Logging error" not in said
    assert len(world.backups()) == 1
