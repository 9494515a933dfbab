"""Every fault of the simulator against every way of exporting: no false good, a bounded end, nothing left behind."""

import time
from dataclasses import replace

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec
from vmbackup.simulator.faults import (
    CallFails,
    CallStalls,
    Cut,
    EmptyReply,
    ErrorInBody,
    Flip,
    Forbidden,
    LeaveOutBlock,
    Redirect,
    RedirectLoop,
    RepeatBlock,
    ReplyLost,
    Reset,
    Rule,
    SessionLost,
    Slow,
    Stall,
    SwapBlocks,
    TaskEndsEarly,
    TaskFails,
    TaskGone,
    TaskSlow,
    Unauthorised,
    WrongChecksum,
)

VHD = '\n[methods.vhd]\ntype = "vdi-export"\nformat = "vhd"\n'
WAYS = {
    "xva": "",
    "xva.gz": 'compress = { with = "gzip", when = "host" }',
    "xva.zst": 'compress = { with = "zstd", when = "host" }',
    "raw": 'method = "vdi-export"',
    "vhd": 'method = "vhd"',
}
XVA = ("xva", "xva.gz", "xva.zst")
HALF = 1
"""Put in place of an offset: half of the image as it is sent when all goes well."""

FAULTS: dict[str, Rule] = {
    "cut": Cut(after=HALF),
    "cut, task pending": Cut(after=HALF, task="pending"),
    "cut, task success": Cut(after=HALF, task="success"),
    "reset": Reset(after=HALF),
    "stall": Stall(after=HALF, seconds=6),
    "flip": Flip(at=HALF),
    "error text": ErrorInBody(after=HALF),
    "empty reply": EmptyReply(),
    "401, task pending": Unauthorised(),
    "403": Forbidden(),
    "redirect to a stranger": Redirect(),
    "redirect loop": RedirectLoop(),
    "task fails": TaskFails(code="VDI_IO_ERROR"),
    "task gone": TaskGone(),
    "block repeated": RepeatBlock(block=0),
    "blocks swapped": SwapBlocks(block=0),
    "last block left out": LeaveOutBlock(block=-1),
    "wrong checksum": WrongChecksum(block=0),
}
# The streams of single disks have no checksums: wrong bytes in a right structure cannot be told from right ones.
NO_CHECKSUMS = {"flip", "blocks swapped", "wrong checksum", "last block left out"}
UNSEEN = {"raw": NO_CHECKSUMS, "vhd": NO_CHECKSUMS}
HARMLESS: dict[str, Rule] = {
    "slow": Slow(rate=8 * MIB),
    "task ends late": TaskSlow(seconds=2),
    "task ends before its stream": TaskEndsEarly(after=HALF),
    "stall while the task goes on": Stall(after=HALF, seconds=4, progress="moves"),
    "session lost once": SessionLost(method="task.get_record"),
}
CALLS: dict[str, Rule] = {
    "snapshot refused": CallFails(method="VM.snapshot", code="SR_BACKEND_FAILURE_44", params=("", "full", "")),
    "reply to the snapshot lost": ReplyLost(method="VM.snapshot"),
    "snapshot takes its time": CallStalls(method="VM.snapshot", seconds=2),
    "unmarking refused": CallFails(method="VM.set_is_a_template", code="OPERATION_NOT_ALLOWED", params=("no",)),
    "task refused": CallFails(method="task.create", code="TOO_MANY_PENDING_TASKS"),
    "reply to the task lost": ReplyLost(method="task.create"),
    "reply to the removal lost": ReplyLost(method="VM.destroy"),
}
GOOD_ALL_THE_SAME = {"snapshot takes its time", "reply to the removal lost"}


@pytest.fixture
def ready(world: World, request: pytest.FixtureRequest) -> World:
    """A world with a good backup by this way, whose transfers may stand still for one second."""
    way = WAYS[request.getfixturevalue("way")]
    world.configure(job("web*", more=f'{way}\nstall = "1s"') + VHD)
    assert exit_code(world.run()) == 0
    return world


def _placed(rule: Rule, world: World, way: str) -> Rule:
    """The rule at its path, and half-way through the image."""
    (image,) = [file for file in world.backups()[0].manifest.files if file.role == "image"]
    changes: dict[str, object] = {
        name: image.size // 2 for name in ("after", "at") if getattr(rule, name, None) == HALF
    }
    if hasattr(rule, "path") and way not in XVA:
        changes["path"] = "/export_raw_vdi"
    return replace(rule, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_no_backup(ready: World, way: str, fault: str) -> None:
    if fault in UNSEEN.get(way, ()):
        _expect_unseen(ready, way, fault)
        return
    before, older, files = ready.records(), ready.backups(), ready.files()
    ready.pool.faults.add(_placed(FAULTS[fault], ready, way))
    started = time.monotonic()
    report = ready.run()
    assert time.monotonic() - started < 60
    assert exit_code(report) == 4, f"a false good: {fault} in {way}"
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert failure.step == "export"
    assert failure.message
    ready.pool.faults.clear()
    assert ready.backups() == older
    assert ready.files() == files
    assert ready.records() == before, "something was left in the pool"
    assert ready.journals() == []


def _expect_unseen(world: World, way: str, fault: str) -> None:
    """What nobody can see on the wire is at least stored as it came, and leaves nothing behind."""
    world.pool.faults.add(_placed(FAULTS[fault], world, way))
    before = world.records()
    exit_code(world.run())
    assert world.records() == before
    assert all(verdict.good for verdict in world.verify_all())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("oddity", HARMLESS)
def test_what_is_odd_and_harmless_is_a_good_backup(ready: World, way: str, oddity: str) -> None:
    before = ready.records()
    ready.pool.faults.add(_placed(HARMLESS[oddity], ready, way))
    report = ready.run()
    assert exit_code(report) == 0, report
    assert ready.records() == before
    assert all(verdict.good for verdict in ready.verify_all())


@pytest.mark.parametrize("way", ["xva"])
@pytest.mark.parametrize("fault", CALLS)
def test_a_call_that_fails_leaves_nothing(ready: World, way: str, fault: str) -> None:
    before, files = ready.records(), ready.files()
    ready.pool.add_vm("other", [DiskSpec(MIB, seed=3)])
    before = ready.records()
    ready.pool.faults.add(CALLS[fault])
    report = ready.run()
    ready.pool.faults.clear()
    if fault in GOOD_ALL_THE_SAME or exit_code(report) == 0:
        assert exit_code(report) == 0
    else:
        assert exit_code(report) == 4
        assert ready.files() == files
    ready.run()
    assert ready.records() == before
    assert ready.journals() == []
