"""Mirrors: copies of proven backups, made during a run or later, and never at a backup's cost."""

import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, distribution, job, json_of
from tests.plugins.targets.disks import new_disk

from vmbackup.manifest import Identity
from vmbackup.results import Report, exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.faults import Slow

SECOND, THIRD = str(uuid.uuid4()), str(uuid.uuid4())


class Pair:
    """A world whose job has a mirror: another folder, `second`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.second = world.folder / "second"

    def configure(
        self, *, keep: int = 4, more: str = "", rules: str = "", path: Path | None = None, more_jobs: str = ""
    ) -> None:
        head = f"""{self.world.head}
[targets.second]
type = "local"
id = "{SECOND}"
path = "{path or self.second}"

[mirrors.offsite]
type = "copy"
target = "second"
{rules}
"""
        self.world.configure(job("web*", keep=keep, more=f'mirrors = ["offsite"]\n{more}') + more_jobs, head=head)

    def init(self) -> None:
        self.second.mkdir(mode=0o700)
        self.world.init_target()
        repository = self.world.site().repository("second")
        with repository.target:
            repository.initialise(Identity(id=SECOND, label="second", created=datetime.now(UTC)))

    def run(self) -> Report:
        """Run in a second of its own: which of a VM's backups is the newest goes by the second."""
        begun = int(time.time())
        while int(time.time()) == begun:
            time.sleep(0.02)
        report = self.world.run()
        assert exit_code(report) == 0, report
        return report

    def held(self) -> list[str]:
        repository = self.world.site().repository("second")
        with repository.target:
            return [backup.folder for backup in repository.backups()]

    def there(self) -> list[str]:
        return [backup.folder for backup in self.world.backups()]

    def expect_equal(self) -> None:
        """What lies there is byte for byte what lies here, and proves to be good."""
        assert self.held() == self.there()
        for folder in self.there():
            mine = {path.name: path for path in (self.world.target / folder).rglob("*") if path.is_file()}
            theirs = {path.name: path for path in (self.second / folder).rglob("*") if path.is_file()}
            same = {name for name in mine if not name.startswith("verified-")}
            assert {name for name in theirs if not name.startswith("verified-")} == same
            assert all(theirs[name].read_bytes() == mine[name].read_bytes() for name in same)
        done = self.world.cli("verify", "--all", "--target", "second")
        assert done.returncode == 0, done.stdout


def damage(path: Path) -> None:
    """Turn over one bit of an image."""
    data = bytearray(path.read_bytes())
    data[MIB] ^= 1
    path.write_bytes(data)


@pytest.fixture
def pair(tmp_path: Path, pool: Simulator) -> Pair:
    for number in range(2):
        pool.add_vm(f"web {number}", [DiskSpec(3 * MIB, seed=number, fill=0.7)])
    made = Pair(World(tmp_path, pool))
    made.configure()
    made.init()
    return made


def test_a_run_copies_what_it_has_proven(pair: Pair) -> None:
    report = pair.run()
    assert [(one.mirror, one.did, one.failure) for one in report.mirrored] == [("offsite", "copied", None)] * 2
    pair.expect_equal()
    listed = json_of(pair.world.cli("list", "--mirrors", "--target", "disk", "--json"))["backups"]
    assert [backup["mirrors"] for backup in listed] == [["offsite"]] * 2  # type: ignore[attr-defined]
    assert pair.run().mirrored[0].did == "copied"
    pair.expect_equal()
    assert pair.world.cli("mirror").stdout == "the mirrors lack nothing\n"
    restored = pair.world.cli("restore", "second:web 0@latest", "--as", "back")
    assert restored.returncode == 0, restored.stderr


def test_a_mirror_that_is_away_costs_nothing_and_catches_up(pair: Pair) -> None:
    away = pair.second.rename(pair.world.folder / "away")
    for _ in range(2):
        report = pair.run()
        (result,) = report.mirrored
        assert (result.did, result.folder) == ("reached", "")
        assert result.failure is not None
        assert result.failure.message.startswith("offsite: ")
        assert result.failure in report.all_warnings
    assert exit_code(report, strict=True) == 5
    done = pair.world.cli("mirror")
    assert done.returncode == 4
    assert "second" in done.stderr
    away.rename(pair.second)
    done = pair.world.cli("mirror", "disk", "--to", "offsite")
    assert done.returncode == 0, done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["copied offsite"] * 4
    pair.expect_equal()


def test_a_mirror_that_fills_up_keeps_what_is_whole_and_goes_on_when_there_is_room(pair: Pair) -> None:
    small = new_disk(pair.world.folder / "small", "5ca1ab1e-0000-4000-8000-00000000000c", 6)
    small.attach()
    try:
        shutil.copy(pair.second / "vmbackup-target.json", small.folder)
        (small.folder / "lost+found").rmdir()
        pair.configure(path=small.folder)
        filler = small.folder / "filler"
        filler.write_bytes(bytes(2 * MIB))
        report = pair.run()
        failures = [one.failure for one in report.mirrored if one.failure]
        assert failures
        assert all("No space left" in failure.message for failure in failures)
        whole = pair.held()
        assert len(whole) + len(failures) == 2
        for folder in whole:
            assert (small.folder / folder / "image.xva").read_bytes() == (
                pair.world.target / folder / "image.xva"
            ).read_bytes()
        filler.unlink()
        done = pair.world.cli("mirror")
        assert done.returncode == 0, done.stdout
        assert pair.held() == pair.there()
    finally:
        small.detach()


def test_what_is_wrong_is_not_passed_on(pair: Pair) -> None:
    pair.configure()
    held = pair.second.rename(pair.world.folder / "away")
    pair.run()
    held.rename(pair.second)
    wrong, good = pair.world.backups()
    damage(pair.world.target / wrong.folder / "image.xva")
    done = pair.world.cli("mirror")
    assert done.returncode == 3
    assert "image.xva is not what was stored: its SHA-256 has changed" in done.stdout
    assert pair.held() == [good.folder]
    pair.world.cli("verify", "--all", "--target", "disk")
    assert pair.world.cli("mirror").stdout == "the mirrors lack nothing\n", "what is known to be wrong is not tried"


def test_what_cannot_be_read_on_one_target_is_copied_from_another(pair: Pair) -> None:
    third = pair.world.folder / "third"
    third.mkdir(mode=0o700)
    pair.configure()
    head, jobs = pair.world.config.read_text().split("\n[jobs", 1)
    more = f'\n[targets.third]\ntype = "local"\nid = "{THIRD}"\npath = "{third}"\n'
    both = jobs.replace('["disk"]', '["disk", "third"]')
    pair.world.configure(f"\n[jobs{both}", head=head + more)
    repository = pair.world.site().repository("third")
    with repository.target:
        repository.initialise(Identity(id=THIRD, label="third", created=datetime.now(UTC)))
    held = pair.second.rename(pair.world.folder / "away")
    pair.run()
    held.rename(pair.second)
    wrong, good = pair.world.backups()
    damage(pair.world.target / wrong.folder / "image.xva")
    done = pair.world.cli("mirror")
    assert done.returncode == 3
    assert "image.xva is not what was stored: its SHA-256 has changed" in done.stdout
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["copied", "copied", "failed"]
    assert pair.held() == [wrong.folder, good.folder]
    copied = pair.second / wrong.folder / "image.xva"
    assert copied.read_bytes() == (third / wrong.folder / "image.xva").read_bytes()
    assert pair.world.cli("mirror").stdout == "the mirrors lack nothing\n"


def test_damage_on_the_mirror_is_mended_by_the_next_copy(pair: Pair) -> None:
    pair.run()
    folder = pair.held()[0]
    (pair.second / folder / "manifest.json").unlink()
    image = pair.second / folder / "image.xva"
    image.write_bytes(image.read_bytes()[:-1])
    assert pair.world.cli("mirror").returncode == 0
    pair.expect_equal()


def test_a_mirror_has_its_own_retention_and_follows_no_deletion_unless_told(pair: Pair) -> None:
    pair.configure(keep=1)
    for _ in range(3):
        pair.run()
    assert len(pair.there()) == 2
    assert len(pair.held()) == 6, "three of each VM"
    pair.configure(keep=1, rules="keep = { last = 2 }")
    pair.run()
    assert len(pair.held()) == 4
    pair.configure(keep=1, rules="delete = true", more_jobs=job("nobody", name="other").replace("disk", "elsewhere"))
    assert {one.did for one in pair.run().mirrored} == {"copied"}, "another job's target was not looked at"
    pair.configure(keep=1, rules="delete = true")
    report = pair.run()
    assert sorted({one.did for one in report.mirrored}) == ["copied", "removed"]
    pair.expect_equal()
    # The last copy of a VM stays, whatever has become of the target.
    for backup in pair.world.backups():
        repository = pair.world.repository()
        with repository.target:
            repository.remove(backup)
    before = pair.held()
    assert pair.world.cli("mirror").returncode == 0
    assert pair.held() == before
    files = [path for path in pair.second.rglob("*") if path.is_file()]
    assert {path.relative_to(pair.second).as_posix().rpartition("/")[0] for path in files} >= set(before)
    assert not list(pair.second.rglob("trash.json"))


@pytest.mark.parametrize(("rules", "early"), [("", 0), ("wait = false", 2)])
def test_what_is_compressed_later_is_copied_then_unless_it_is_not_to_wait(pair: Pair, rules: str, early: int) -> None:
    pair.configure(more='compress = { with = "zstd", when = "after" }', rules=rules)
    pair.run()
    assert len(pair.held()) == early
    assert pair.world.cli("compress", "disk").returncode == 0
    assert pair.world.cli("mirror").returncode == 0
    assert pair.held() == pair.there()
    assert len(list(pair.second.rglob("image.xva.zst"))) == 2 - early


def test_of_a_kill_in_mid_copy_nothing_counts_and_the_next_copy_completes_it(pair: Pair) -> None:
    pair.run()
    folders = pair.held()
    for folder, cut in zip(folders, ("image.xva", "ova.xml"), strict=True):
        for path in (pair.second / folder).iterdir():
            if path.name in {"manifest.json", "SHA256SUMS", cut}:
                path.unlink()
    assert pair.held() == []
    assert pair.world.cli("mirror").returncode == 0
    pair.expect_equal()


DYING = """
import sys, time
from vmbackup_targets.local import Local, LocalSettings

def chunks():
    yield bytes(1 << 20)
    print("under way", flush=True)
    time.sleep(600)

with Local("second", LocalSettings(path=sys.argv[1])) as target:
    target.store(sys.argv[2], chunks())
"""


def test_of_a_kill_in_mid_file_nothing_is_left(pair: Pair) -> None:
    pair.second.rename(pair.world.folder / "away")
    pair.run()
    (pair.world.folder / "away").rename(pair.second)
    key = f"{pair.there()[0]}/image.xva"
    with subprocess.Popen([sys.executable, "-c", DYING, pair.second, key], stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "under way\n"
        dying.kill()
    assert list(pair.second.rglob("*.partial"))
    assert pair.world.cli("mirror").returncode == 0
    pair.expect_equal()
    assert not list(pair.second.rglob("*.partial"))


def test_only_one_is_at_a_mirror_at_a_time(pair: Pair) -> None:
    with pair.world.site().state().lock("mirror=offsite", "mirroring"):
        pair.configure(more="stall = '2s'")
        (result,) = pair.run().mirrored
        assert pair.world.cli("mirror").returncode == 11
    assert result.failure is not None
    assert result.failure.message.startswith("another mirroring to 'offsite' is under way: process ")
    assert pair.held() == []
    reports: list[Report] = []
    pair.configure()
    with pair.world.site().state().lock("mirror=offsite", "mirroring"):
        thread = threading.Thread(target=lambda: reports.append(pair.run()))
        thread.start()
        while len(list(pair.world.target.rglob("manifest.json"))) < 3:
            time.sleep(0.05)
    thread.join()
    assert [one.failure for report in reports for one in report.mirrored] == [None] * 4
    pair.expect_equal()


@pytest.fixture
def stuck(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pair:
    monkeypatch.setenv("PYTHONPATH", str(distribution(tmp_path / "plugin", "stuck")))
    head = f"{pair.world.head}\n[mirrors.offsite]\ntype = 'stuck'\n"
    pair.world.configure(job("web*", more="mirrors = ['offsite']\nstall = '3s'"), head=head)
    return pair


def test_a_mirror_that_hangs_is_left_behind(stuck: Pair) -> None:
    began = time.monotonic()
    done = stuck.world.cli("run", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the mirror offsite hangs: for 3 s nothing has moved there" in done.stdout
    assert time.monotonic() - began < 60
    assert len(stuck.there()) == 2


def test_the_next_vm_does_not_wait_for_the_mirror(pair: Pair) -> None:
    """While the second VM is exported slowly, the first is on the mirror already."""
    pair.world.pool.faults.add(Slow(path="/export", nth=2, rate=MIB // 2))

    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(len(list(pair.second.rglob("manifest.json"))))
            time.sleep(0.1)

    thread = threading.Thread(target=look)
    thread.start()
    report = pair.run()
    done.set()
    thread.join()
    assert 1 in seen
    assert len(report.mirrored) == 2


def test_the_examples_of_the_documentation(pair: Pair) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mirrors.md").read_text()
    first = re.findall(r"^```toml\n(.*?)```$", page, re.MULTILINE | re.DOTALL)[0]
    rules = first.partition("[jobs")[0].partition("[mirrors.offsite]\n")[2]
    rules = rules.replace('type = "copy"\n', "").replace('target = "second"', "#")
    pair.configure(rules=rules)
    lines = re.findall(r"^\$ vmbackup (.*)$", page, re.MULTILINE)
    assert len(lines) == 3
    pair.run()
    for line in lines:
        done = pair.world.cli(*line.replace("nas", "disk").split())
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert done.stdout.splitlines()[0].split() == ["backup", "snapshot", "method", "job", "size", "verified", "mirrors"]
