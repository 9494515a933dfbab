"""What goes wrong on the way: every fault is found, named by its step, and leaves nothing behind."""

from dataclasses import replace
from typing import ClassVar

import pytest
from tests.integration.world import World, job

from vmbackup.contracts import Stored
from vmbackup.registry import Registered
from vmbackup.results import Report, exit_code
from vmbackup.run import run_job
from vmbackup.simulator import Cut, CutTarInsideFrame, ErrorInBody, Flip, LeaveOutBlock, Reset, TaskFails
from vmbackup.simulator.faults import Rule
from vmbackup.watch import Nobody
from vmbackup_targets.local import Local

BODIES = {
    "plain": "",
    "gzip": 'compress = { with = "gzip", when = "host" }',
    "zstd": 'compress = { with = "zstd", when = "host" }',
}
RAW = {"raw": 'method = "vdi-export"', "vhd": 'method = "vhd"'}
VHD = '\n[methods.vhd]\ntype = "vdi-export"\nformat = "vhd"\n'
HALF = 2_000_000

XVA_FAULTS: dict[str, Rule] = {
    "cut": Cut(after=HALF),
    "cut, and the task says success": Cut(after=HALF, task="success"),
    "reset": Reset(after=HALF),
    "error text in the body": ErrorInBody(after=HALF),
    "flipped byte": Flip(at=HALF),
    "last block left out": LeaveOutBlock(disk=0, block=-1),
    "task fails after the whole body": TaskFails(code="VDI_IO_ERROR", params=("Device I/O errors",)),
}
FRAME_FAULTS: dict[str, Rule] = {
    "tar cut inside a valid frame": CutTarInsideFrame(after=HALF),
    "tar cut inside a valid frame, and the task says success": CutTarInsideFrame(after=HALF, silent=True),
}
DISK_FAULTS: dict[str, Rule] = {
    "cut": Cut(path="/export_raw_vdi", after=HALF),
    "cut, and the task says success": Cut(path="/export_raw_vdi", after=HALF, task="success"),
    "reset": Reset(path="/export_raw_vdi", after=HALF),
    "error text in the body": ErrorInBody(path="/export_raw_vdi", after=HALF),
    "task fails after the whole body": TaskFails(path="/export_raw_vdi", code="VDI_IO_ERROR"),
}


class Watched(Local):
    """The local target, remembering every key under which a file has ever been whole."""

    published: ClassVar[list[str]] = []

    def store(self, key: str, chunks: object) -> Stored:
        stored = super().store(key, chunks)  # type: ignore[arg-type]
        self.published.append(key)
        return stored


def _run(world: World) -> tuple[Report, list[str]]:
    """Run the job on a target that remembers what was published."""
    site = world.site()
    known = site.registry.plugins["target", "local"]
    site.registry.plugins["target", "local"] = Registered(Watched, known.distribution, known.version)
    Watched.published = []
    report = run_job(site, "test", Nobody())
    return report, Watched.published


def _halfway(rule: Rule, world: World) -> Rule:
    """The rule, at half of the image as it was sent when all went well."""
    sizes = [file.size for backup in world.backups() for file in backup.manifest.files if file.role == "image"]
    match rule:
        case Cut() | Reset() | ErrorInBody():
            return replace(rule, after=max(sizes) // 2)
        case Flip():
            return replace(rule, at=max(sizes) // 2)
        case _:
            return rule


def _expect_failure(world: World, rule: Rule) -> None:
    before = world.records()
    assert exit_code(world.run()) == 0
    older, files = world.backups(), world.files()
    world.pool.faults.add(_halfway(rule, world))
    report, published = _run(world)
    assert exit_code(report) == 4
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert failure.step == "export"
    assert failure.message
    assert not [key for key in published if "image" in key or "disk-0" in key], "an image appeared under its key"
    assert not [key for key in published if key.endswith("manifest.json")]
    assert world.records() == before, "something was left in the pool"
    assert world.files() == files, "something was left on the target"
    assert world.backups() == older
    assert all(verdict.good for verdict in world.verify_all())
    assert world.journals() == []
    if isinstance(rule, TaskFails | ErrorInBody):
        assert failure.code not in {"ImageError", "TransferError"}, "the pool's own reason is told"
    world.pool.faults.clear()
    assert exit_code(world.run()) == 0, "the next run succeeds"


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("fault", XVA_FAULTS)
def test_a_broken_export_is_no_backup(world: World, body: str, fault: str) -> None:
    world.configure(job("web*", more=BODIES[body]))
    _expect_failure(world, XVA_FAULTS[fault])


@pytest.mark.parametrize("body", ["gzip", "zstd"])
@pytest.mark.parametrize("fault", FRAME_FAULTS)
def test_a_valid_frame_around_half_a_tar_is_no_backup(world: World, body: str, fault: str) -> None:
    world.configure(job("web*", more=BODIES[body]))
    _expect_failure(world, FRAME_FAULTS[fault])


@pytest.mark.parametrize("body", RAW)
@pytest.mark.parametrize("fault", DISK_FAULTS)
def test_a_broken_disk_export_is_no_backup(world: World, body: str, fault: str) -> None:
    world.configure(job("web*", more=RAW[body]) + VHD)
    _expect_failure(world, DISK_FAULTS[fault])
