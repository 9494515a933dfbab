"""A job with several targets: the pool is read once, and what is wrong with one target costs the others nothing."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, distribution

from vmbackup.manifest import Identity
from vmbackup.results import Report, exit_code
from vmbackup.simulator import BodyHook, CallHook, Cut, DiskSpec
from vmbackup.verify import verify

OTHERS = ("second", "third")


@pytest.fixture
def several(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with three targets: the usual folder and two shaky ones."""
    monkeypatch.syspath_prepend(distribution(tmp_path / "plugin", "shaky"))
    world.pool.add_vm("web 02", [DiskSpec(3 * MIB, seed=7, fill=0.9)])
    identities = {label: str(uuid.uuid4()) for label in OTHERS}
    head = world.head
    for label in OTHERS:
        (tmp_path / label).mkdir(mode=0o700)
        head += f'\n[targets.{label}]\ntype = "shaky"\nid = "{identities[label]}"\npath = "{tmp_path / label}"\n'
    world.configure(JOB, head=head)
    for label in OTHERS:
        repository = world.site().repository(label)
        with repository.target:
            repository.initialise(Identity(id=identities[label], label=label, created=datetime.now(UTC)))
    yield world
    for label in OTHERS:
        for word in ("hangs", "hangs-at-once"):
            tmp_path.joinpath(f"{label}.{word}").unlink(missing_ok=True)


JOB = """
[jobs.test]
targets = ["disk", "second", "third"]
keep = { last = 2 }
stall = "1s"
[[jobs.test.vms]]
match = "web*"
"""


def told(world: World, label: str, word: str) -> Path:
    path = world.folder / f"{label}.{word}"
    path.touch()
    return path


def stored(world: World, label: str) -> list[str]:
    """The VMs of which there is a backup, oldest first; each must verify."""
    repository = world.site().repository(label)
    with repository.target:
        backups = repository.backups()
        for backup in backups:
            assert verify(backup, repository, world.site().registry).good
    return [backup.manifest.vm.name for backup in backups if backup.manifest.vm]


def files(world: World, label: str) -> list[str]:
    """All files on a target that belong to no backup, hidden ones too, but for the records of runs."""
    repository = world.site().repository(label)
    with repository.target:
        folders = [backup.folder for backup in repository.backups()]
    root = world.folder / ("target" if label == "disk" else label)
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())
    ours = ("runs/", "vmbackup-target.json", *(f"{folder}/" for folder in folders))
    return [name for name in found if not name.startswith(ours)]


def failures(report: Report, label: str) -> list[str]:
    return [
        outcome.failure.code
        for result in report.results
        for outcome in result.outcomes
        if outcome.target == label and outcome.failure
    ]


def test_the_pool_is_read_once_and_every_target_has_the_same(several: World) -> None:
    before = several.records()
    exports: list[int] = []
    several.pool.faults.add(BodyHook(nth=None, after=0, run=lambda: exports.append(1)))
    report = several.run()
    assert exit_code(report, strict=True) == 0, report
    assert len(exports) == 2, "one for each VM"
    images = []
    for label in ("disk", *OTHERS):
        assert stored(several, label) == ["web 01", "web 02"]
        assert files(several, label) == []
        root = several.target if label == "disk" else several.folder / label
        images.append({path.name: path.read_bytes() for path in root.rglob("image.xva")})
    assert images[0] == images[1] == images[2]
    assert several.records() == before
    assert several.journals() == []


@pytest.mark.parametrize("compress", ["", 'compress = { with = "zstd" }\n'])
def test_a_target_that_fails_is_dropped_and_the_others_stay_good(several: World, compress: str) -> None:
    several.configure(
        JOB.replace('stall = "1s"\n', f'stall = "5s"\n{compress}'), head=several.config.read_text().split("\n[jobs")[0]
    )
    path = told(several, "second", "fails")
    before = several.records()
    report = several.run()
    assert exit_code(report) == 3
    assert [(outcome.target, bool(outcome.backup)) for outcome in report.results[0].outcomes] == [
        ("disk", True),
        ("second", False),
        ("third", True),
    ]
    assert failures(report, "second") == ["TargetError", "TargetError"]
    for label in ("disk", "third"):
        assert stored(several, label) == ["web 01", "web 02"]
    assert stored(several, "second") == files(several, "second") == []
    assert several.records() == before
    assert several.journals() == []
    path.unlink()
    assert exit_code(several.run()) == 0


def test_a_target_that_hangs_is_dropped_after_its_stall_time_and_the_next_run_tidies_it(several: World) -> None:
    path = told(several, "third", "hangs")
    before = several.records()
    report = several.run()
    assert exit_code(report) == 3
    assert failures(report, "third") == ["TargetStalled", "TargetStalled"]
    assert report.results[1].seconds < 5, "it is left out at once while it still hangs"
    for label in ("disk", "second"):
        assert stored(several, label) == ["web 01", "web 02"]
        assert files(several, label) == []
    assert several.records() == before
    assert len(several.journals()) == 1, "the folder on the target that hangs"
    path.unlink()
    report = several.run()
    assert exit_code(report) == 0, report
    assert stored(several, "third") == ["web 01", "web 02"]
    assert files(several, "third") == []
    assert several.journals() == []
    records = sorted(path.name for path in (several.folder / "third" / "runs" / "test").iterdir())
    assert len(records) == 2, "the record of the run that it missed has come after"


def test_a_target_that_comes_back_takes_the_next_vm(several: World) -> None:
    path = told(several, "third", "hangs")

    def come_back() -> None:
        path.unlink()
        time.sleep(0.5)

    several.pool.faults.add(CallHook(method="VM.destroy", run=come_back))
    report = several.run()
    assert failures(report, "third") == ["TargetStalled"]
    assert stored(several, "third") == ["web 02"]


def test_a_target_that_is_not_the_one_or_hangs_from_the_first_is_left_out(several: World) -> None:
    (several.folder / "second" / "vmbackup-target.json").unlink()
    told(several, "third", "hangs-at-once")
    report = several.run()
    assert exit_code(report) == 3
    assert [(failure.step, failure.code) for failure in report.failures] == [
        ("prepare", "TargetNotProven"),
        ("prepare", "TargetStalled"),
    ]
    assert failures(report, "second") == ["TargetNotProven", "TargetNotProven"]
    assert stored(several, "disk") == ["web 01", "web 02"]
    assert list((several.folder / "second").iterdir()) == []


def test_no_target_at_all_stops_the_run_before_anything(several: World) -> None:
    for label in ("target", "second", "third"):
        (several.folder / label / "vmbackup-target.json").unlink()
    report = several.run()
    assert exit_code(report) == 10
    assert report.results == ()


def test_when_all_targets_have_failed_the_pool_is_not_read_any_more(several: World) -> None:
    several.configure(JOB.replace('"disk", ', ""), head=several.config.read_text().split("\n[jobs")[0])
    for label in OTHERS:
        told(several, label, "fails")
    before = several.records()
    report = several.run()
    assert exit_code(report) == 4
    assert [failures(report, label) for label in OTHERS] == [["TargetError"] * 2] * 2
    assert several.records() == before
    assert several.journals() == []


def test_a_stream_that_breaks_leaves_nothing_on_any_target(several: World) -> None:
    several.pool.faults.add(Cut(after=2 * MIB, nth=None))
    before = several.records()
    report = several.run()
    assert exit_code(report) == 4
    for label in ("disk", *OTHERS):
        assert stored(several, label) == files(several, label) == []
        assert len(failures(report, label)) == 2
    assert several.records() == before
    assert several.journals() == []


def test_retention_counts_on_each_target_by_itself(several: World) -> None:
    assert exit_code(several.run()) == 0
    path = told(several, "second", "fails")
    for _ in range(2):
        assert exit_code(several.run()) == 3
    path.unlink()
    assert stored(several, "disk").count("web 01") == 2
    assert stored(several, "second").count("web 01") == 1, "nothing new is proven there, so nothing goes"
    assert exit_code(several.run()) == 0
    assert stored(several, "second").count("web 01") == 2


def test_the_pool_database_goes_to_every_target(several: World) -> None:
    head = several.config.read_text().split("\n[jobs")[0]
    several.configure(JOB.replace("[[jobs", "pool-database = true\n[[jobs"), head=head)
    assert exit_code(several.run(), strict=True) == 0
    for root in (several.target, *(several.folder / label for label in OTHERS)):
        assert len(list(root.glob("pool-database/*/manifest.json"))) == 1
