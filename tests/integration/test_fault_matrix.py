"""Every fault of the simulator against every way of exporting: no false good, a bounded end, nothing left behind."""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
from tests.integration.ways import SIZE, WAYS, Lending, path_of, vhd_content
from tests.integration.world import MIB, World

from vmbackup.results import Failure, exit_code
from vmbackup.simulator.faults import (
    BodyHook,
    BodyTap,
    CallFails,
    CallHook,
    CallStalls,
    Cut,
    CutTarInsideFrame,
    EmptyReply,
    ErrorInBody,
    Flip,
    Forbidden,
    HostDies,
    LeaveOutBlock,
    Outage,
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
from vmbackup.xapi import patience

HALF = 1
"""Put in place of an offset: half of the image as it is sent when all goes well."""


@dataclass(frozen=True)
class Fault:
    """A rule, and the code and words with which an export fails by it; some ways say it in words of their own."""

    rule: Rule
    code: str
    words: str = ""
    otherwise: Mapping[str, str] = field(default_factory=dict)

    def words_of(self, way: str) -> str:
        return self.otherwise.get(way, self.words)


ENDS = "the stream ends inside"
FAULTS: dict[str, Fault] = {
    "cut": Fault(Cut(after=HALF), "CLIENT_ERROR", ENDS),
    "cut, task pending": Fault(Cut(after=HALF, task="pending"), "ImageError", ENDS),
    "cut, task success": Fault(Cut(after=HALF, task="success"), "ImageError", ENDS),
    "reset": Fault(Reset(after=HALF), "CLIENT_ERROR"),
    "stall": Fault(Stall(after=HALF, seconds=6), "Stalled", "for 1 s neither a byte passed nor"),
    "flip": Fault(Flip(at=HALF), "ImageError", otherwise={"xva": r"does not match its checksum \(xxhash\)"}),
    "error text": Fault(ErrorInBody(after=HALF), "SR_BACKEND_FAILURE_200", "HTTP/1.1 500 Internal Error"),
    "empty reply": Fault(EmptyReply(), "NO_HOSTS_AVAILABLE"),
    "401, task pending": Fault(Unauthorised(), "TransferError", "HTTP 401"),
    "403": Fault(Forbidden(), "RBAC_PERMISSION_DENIED"),
    "redirect to a stranger": Fault(Redirect(), "TransferError", "192.0.2.1', which is none of its hosts"),
    "redirect loop": Fault(RedirectLoop(), "TransferError", "from host to host"),
    "task fails": Fault(TaskFails(code="VDI_IO_ERROR"), "VDI_IO_ERROR"),
    "host gone for a second": Fault(HostDies(after=HALF, seconds=1), "ImageError", ENDS),
    "host silent": Fault(HostDies(after=HALF, seconds=3, connections="silent"), "Stalled", "for 1 s neither"),
    "task gone": Fault(TaskGone(), "TransferError", "nobody knows how it ended"),
    "block repeated": Fault(
        RepeatBlock(block=0),
        "ImageError",
        "the numbers must rise",
        {"raw": "behind the disk's 5,242,880 are not zeros", "vhd": "the last footer is not the same as the first"},
    ),
    "blocks swapped": Fault(
        SwapBlocks(block=0),
        "ImageError",
        "its first is missing",
        {"vhd": "block 0 is said to be at sector 4,102, but 5 is next"},
    ),
    # Which disk of an XVA comes first is decided by its references, as text (Ref:10 before Ref:9).
    "last block left out": Fault(
        LeaveOutBlock(block=-1), "ImageError", "ends at (4,194,304 of 5,242,880|3,145,728 of 3,670,016) bytes"
    ),
    "wrong checksum": Fault(
        WrongChecksum(block=0),
        "ImageError",
        r"does not match its checksum \(xxhash\)",
        {"vhd": "the last footer is not the same as the first"},
    ),
}
# Of what a host compresses: valid frames around half a tar.
FRAMES: dict[str, Fault] = {
    "tar cut in its frame": Fault(CutTarInsideFrame(after=2 * MIB), "VDI_IO_ERROR", "HTTP/1.1 500 Internal Error"),
    "tar cut in its frame, task success": Fault(CutTarInsideFrame(after=2 * MIB, silent=True), "ImageError", ENDS),
}
BLOCK = 2 * MIB  # of a raw or VHD stream
VHD_FRONT = 2560  # bytes: footer copy, header, gap, block table


def _inverted(disk: bytes, at: int) -> bytes:
    return disk[:at] + bytes([disk[at] ^ 0xFF]) + disk[at + 1 :]


# A raw stream has no structure, the blocks of a VHD no checksums: there wrong bytes cannot be told from right ones.
# What each of these makes of the disk, given half of the image's size:
UNSEEN: dict[tuple[str, str], Callable[[bytes, int], bytes]] = {
    ("flip", "raw"): _inverted,
    ("blocks swapped", "raw"): lambda disk, _: disk[BLOCK : 2 * BLOCK] + disk[:BLOCK] + disk[2 * BLOCK :],
    ("last block left out", "raw"): lambda disk, _: disk[: 2 * BLOCK] + bytes(SIZE - 2 * BLOCK),
    ("wrong checksum", "raw"): lambda disk, _: disk,
    ("flip", "vhd"): lambda disk, half: _inverted(disk, half - VHD_FRONT - 512 - 512),  # behind two sector bitmaps
    ("last block left out", "vhd"): lambda disk, _: disk[: 2 * BLOCK] + bytes(SIZE - 2 * BLOCK),
}


HARMLESS: dict[str, Rule] = {
    "slow": Slow(rate=16 * MIB),
    "task ends late": TaskSlow(seconds=1),
    "task ends before its stream": TaskEndsEarly(after=HALF),
    "stall while the task goes on": Stall(after=HALF, seconds=2.5, progress="moves"),
    "session lost once": SessionLost(method="task.get_record"),
}
CALLS: dict[str, tuple[Rule, int]] = {
    "snapshot refused": (CallFails(method="VM.snapshot", code="SR_BACKEND_FAILURE_44", params=("", "full", "")), 4),
    "reply to the snapshot lost": (ReplyLost(method="VM.snapshot"), 4),
    "snapshot takes its time": (CallStalls(method="VM.snapshot", seconds=2), 0),
    "unmarking refused": (CallFails(method="VM.set_is_a_template", code="OPERATION_NOT_ALLOWED", params=("no",)), 4),
    "task refused": (CallFails(method="task.create", code="TOO_MANY_PENDING_TASKS"), 4),
    "reply to the task lost": (ReplyLost(method="task.create"), 4),
    "reply to the removal lost": (ReplyLost(method="VM.destroy"), 0),
}


@pytest.fixture(scope="module")
def lending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lending]:
    with contextlib.ExitStack() as stack:
        yield Lending(tmp_path_factory.mktemp("ways"), stack)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that nobody ends is waited for half a second, not fifteen."""
    monkeypatch.setattr(patience, "SETTLE_SECONDS", 0.5)


def _half(world: World) -> int:
    (image,) = [file for file in world.backups()[0].manifest.files if file.role == "image"]
    return image.size // 2


def _placed(rule: Rule, world: World, way: str) -> Rule:
    """The rule at its path, and half-way through the image."""
    changes: dict[str, object] = {name: _half(world) for name in ("after", "at") if getattr(rule, name, None) == HALF}
    if hasattr(rule, "path"):
        changes["path"] = path_of(way)
    return replace(rule, **changes)  # type: ignore[arg-type]  # names and types are those of the rule itself


@pytest.mark.parametrize(
    ("fault", "way"), [(fault, way) for fault in FAULTS for way in WAYS if (fault, way) not in UNSEEN]
)
def test_a_fault_that_shows_is_no_backup(lending: Lending, fault: str, way: str) -> None:
    with lending.world(way) as world:
        failure = _failed(world, _placed(FAULTS[fault].rule, world, way))
        assert failure.code == FAULTS[fault].code
        assert re.search(FAULTS[fault].words_of(way), failure.message), failure.message


@pytest.mark.parametrize("way", ["xva.gz", "xva.zst"])
@pytest.mark.parametrize("fault", FRAMES)
def test_a_whole_frame_around_half_a_tar_is_no_backup(lending: Lending, fault: str, way: str) -> None:
    with lending.world(way) as world:
        failure = _failed(world, _placed(FRAMES[fault].rule, world, way))
        assert failure.code == FRAMES[fault].code
        assert re.search(FRAMES[fault].words, failure.message), failure.message


@pytest.mark.parametrize("way", WAYS)
def test_an_export_whose_connection_is_refused_is_no_backup(lending: Lending, way: str) -> None:
    """The session's own connection is kept; the export needs a new one. Its task is the second of the run."""
    with lending.world(way) as world:

        def refuse() -> None:
            world.pool.faults.add(Outage(seconds=2, connections="kept"))

        failure = _failed(world, CallHook(method="task.create", nth=2, run=refuse))
        assert failure.code == "TransferError"
        assert "refused" in failure.message


STRUCTURE = {
    "first footer": (100, "the checksum of its footer is wrong"),
    "header": (600, "the checksum of its header is wrong"),
    "gap": (1600, "there are bytes between the VHD's header and its block table"),
    "block table": (2048, "block 0 is said to be at sector"),
    "end of the block table": (2550, "there is something behind the entries of its block table"),
    "sector bitmap": (VHD_FRONT + 7, "the sector bitmap of block 0 is not all ones"),
    "second sector bitmap": (VHD_FRONT + 512 + BLOCK + 7, "the sector bitmap of block 1 is not all ones"),
    "last footer": (VHD_FRONT + 3 * (512 + BLOCK) + 9, "the last footer is not the same as the first"),
}


@pytest.mark.parametrize("place", STRUCTURE)
def test_a_wrong_byte_in_the_structure_of_a_vhd_is_no_backup(lending: Lending, place: str) -> None:
    at, words = STRUCTURE[place]
    with lending.world("vhd") as world:
        failure = _failed(world, Flip(path=path_of("vhd"), at=at))
        assert failure.code == "ImageError"
        assert words in failure.message


def _failed(world: World, rule: Rule) -> Failure:
    """Run the job under a rule: it fails in time, and pool and target are as before."""
    before, older, files = world.records(), world.backups(), world.files()
    world.pool.faults.add(rule)
    started = time.monotonic()
    report = world.run()
    assert time.monotonic() - started < 60
    assert exit_code(report) == 4, f"a false good: {rule}"
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert failure.step == "export"
    world.pool.faults.clear()
    assert world.backups() == older
    assert world.files() == files
    assert world.records() == before, "something was left in the pool"
    assert world.journals() == []
    return failure


@pytest.mark.parametrize(("fault", "way"), UNSEEN)
def test_what_nobody_can_see_is_stored_as_it_was_sent(lending: Lending, fault: str, way: str) -> None:
    with lending.world(way) as world:
        before, older = world.records(), world.backups()
        half, held, sent = _half(world), bytearray(), bytearray()
        world.pool.faults.add(BodyHook(path=path_of(way), after=0, run=lambda: held.extend(_snapshot(world))))
        world.pool.faults.add(BodyTap(path=path_of(way), hear=sent.extend))
        world.pool.faults.add(_placed(FAULTS[fault].rule, world, way))
        report = world.run()
        assert exit_code(report) == 0
        (backup,) = [one for one in world.backups() if one not in older]
        (image,) = [file for file in backup.manifest.files if file.role == "image"]
        stored = (world.target / backup.folder / image.name).read_bytes()
        if way == "raw":
            assert stored + bytes(3 * BLOCK - SIZE) == sent, "the zeros that fill up the last block, and nothing else"
            content = stored
        else:
            assert stored == sent
            content = vhd_content(stored, SIZE)
        assert content == UNSEEN[fault, way](bytes(held), half)
        digest = hashlib.sha256(stored).hexdigest()
        assert (image.size, image.sha256, image.content_digest) == (len(stored), digest, f"sha256:{digest}")
        assert backup.manifest.image is not None
        (disk,) = backup.manifest.image.disks
        assert (backup.manifest.image.format, disk.virtual_size) == (way, SIZE)
        assert all(verdict.good for verdict in world.verify_all())
        assert world.records() == before
        assert world.journals() == []


def _snapshot(world: World) -> bytes:
    """What the only snapshot of a disk holds at this moment."""
    (snapshot,) = [disk for disk in world.pool.records("VDI").values() if disk["is_a_snapshot"]]
    return world.pool.disk_path(snapshot["uuid"]).read_bytes()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("oddity", HARMLESS)
def test_what_is_odd_and_harmless_is_a_good_backup(lending: Lending, oddity: str, way: str) -> None:
    with lending.world(way) as world:
        before = world.records()
        world.pool.faults.add(_placed(HARMLESS[oddity], world, way))
        report = world.run()
        assert exit_code(report) == 0, report
        assert world.records() == before
        assert all(verdict.good for verdict in world.verify_all())


@pytest.mark.parametrize("fault", CALLS)
def test_a_call_that_fails_leaves_nothing(lending: Lending, fault: str) -> None:
    rule, expected = CALLS[fault]
    with lending.world("xva") as world:
        before, files = world.records(), world.files()
        world.pool.faults.add(rule)
        report = world.run()
        world.pool.faults.clear()
        assert exit_code(report) == expected
        assert (world.files() == files) == (expected != 0)
        assert world.records() == before
        assert world.journals() == []
        assert exit_code(world.run()) == 0
        assert world.records() == before
        assert world.journals() == []
