"""A stream ends only when its image is whole and the pool says so: whatever else happens, it raises."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.xapi.pool import MIB, begin, login, vm_called
from typing_extensions import Buffer

from vmbackup.errors import BackupError, ImageError, PoolError, TransferError
from vmbackup.images import Evidence, ImageCheck, RawCheck, XvaCheck
from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.proof import Proof
from vmbackup.simulator import (
    BodyHook,
    Cut,
    DiskSpec,
    ErrorInBody,
    Flip,
    LeaveOutBlock,
    Reset,
    Simulator,
    TaskFails,
)
from vmbackup.simulator.faults import Rule
from vmbackup.stages import Clock
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, download

SIZE = 3 * MIB


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, progress_seconds=0.05) as pool:
        pool.add_vm("web", [DiskSpec(SIZE, seed=1, fill=1.0)])
        yield pool


@pytest.fixture
def session(sim: Simulator) -> Iterator[Session]:
    with login(sim) as opened:
        yield opened


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with begin(tmp_path) as opened:
        yield opened


@pytest.fixture
def snapshot(session: Session, journal: Journal) -> VM:
    return PoolScratch(session, journal).snapshot_vm(vm_called(session, "web"))


class Reader:
    """Reads an export through its proof and keeps what would be stored."""

    def __init__(self, session: Session, journal: Journal, request: Request, check: ImageCheck) -> None:
        self.data = bytearray()
        self.ended = False
        with download(session, journal, request) as stream:
            self.proof = Proof(stream, check, Clock())
            try:
                for piece in self.proof.pieces():
                    self.data += memoryview(piece).cast("B")
                self.ended = True
            except BackupError as error:
                self.error: BackupError | None = error
            else:
                self.error = None


def _read(session: Session, journal: Journal, snapshot: VM, check: ImageCheck | None = None) -> Reader:
    expected = XvaCheck({disk.uuid: disk.virtual_size for disk in snapshot.disks})
    return Reader(session, journal, Request("/export", {"ref": snapshot.ref}, "export of web"), check or expected)


def test_a_whole_image_has_its_evidence(session: Session, journal: Journal, snapshot: VM) -> None:
    reader = _read(session, journal, snapshot)
    assert reader.error is None
    assert reader.proof.read == len(reader.data) == reader.proof.evidence.size
    (disk,) = reader.proof.evidence.disks
    assert (disk.uuid, disk.virtual_size, disk.blocks) == (snapshot.disks[0].uuid, SIZE, 3)


def test_what_is_behind_the_disk_is_read_and_not_kept(session: Session, journal: Journal, snapshot: VM) -> None:
    """A check may keep less than has come: here all but the first MiB of zeros behind the data."""
    request = Request("/export_raw_vdi", {"vdi": snapshot.disks[0].ref, "format": "raw"}, "export")
    reader = Reader(session, journal, request, RawCheck(SIZE))
    assert reader.error is None
    assert len(reader.data) == reader.proof.evidence.size == SIZE
    assert reader.proof.read >= SIZE


FAULTS: dict[str, tuple[Rule, type[BackupError], str]] = {
    "cut": (Cut(after=MIB), PoolError, "CLIENT_ERROR"),
    "cut while the task says success": (Cut(after=MIB, task="success"), ImageError, "ImageError"),
    "reset": (Reset(after=MIB), PoolError, "CLIENT_ERROR"),
    "reset while the task says success": (Reset(after=MIB, task="success"), TransferError, "TransferError"),
    "an error in the body": (ErrorInBody(after=MIB), PoolError, "SR_BACKEND_FAILURE_200"),
    "a flipped byte": (Flip(at=MIB), ImageError, "ImageError"),
    "a block left out": (LeaveOutBlock(disk=0, block=-1), ImageError, "ImageError"),
    "a task that fails at the end": (TaskFails(code="VDI_IO_ERROR"), PoolError, "VDI_IO_ERROR"),
}


@pytest.mark.parametrize(("rule", "kind", "code"), FAULTS.values(), ids=FAULTS)
def test_no_fault_ends_like_a_whole_image(
    sim: Simulator,
    *,
    session: Session,
    journal: Journal,
    snapshot: VM,
    rule: Rule,
    kind: type[BackupError],
    code: str,
) -> None:
    sim.faults.add(rule)
    reader = _read(session, journal, snapshot)
    assert not reader.ended
    assert isinstance(reader.error, kind)
    assert reader.error.code == code
    with pytest.raises(BackupError, match="without reading it to its end"):
        _ = reader.proof.evidence


def test_the_pools_reason_comes_with_what_was_seen_in_the_stream(
    sim: Simulator, session: Session, journal: Journal, snapshot: VM
) -> None:
    sim.faults.add(ErrorInBody(after=MIB))
    error = _read(session, journal, snapshot).error
    assert error is not None
    assert error.message.startswith("export of web: SR_BACKEND_FAILURE_200")
    assert "; the stream: " in error.message
    assert isinstance(error.__cause__, ImageError)
    assert str(error).startswith(error.message)


def test_a_task_that_is_lost_proves_nothing(sim: Simulator, session: Session, journal: Journal, snapshot: VM) -> None:
    def restart() -> None:
        with sim.editing() as pool:
            for ref in list(pool.db.table("task")):
                pool.db.delete("task", ref)

    sim.faults.add(BodyHook(after=MIB, run=restart))
    reader = _read(session, journal, snapshot)
    assert isinstance(reader.error, TransferError)
    assert "nobody knows how it ended" in reader.error.message


class Picky(ImageCheck):
    """Keeps nothing, and finds fault at the very end."""

    def feed(self, piece: Buffer) -> Buffer:
        return memoryview(piece)[:0]

    def close(self) -> Evidence:
        raise ImageError("not to my taste", position=0)


def test_a_check_that_fails_at_the_end_of_a_stream_that_succeeded(
    session: Session, journal: Journal, snapshot: VM
) -> None:
    reader = _read(session, journal, snapshot, Picky())
    assert isinstance(reader.error, ImageError)
    assert reader.data == b""
    assert reader.proof.read > SIZE


def test_who_does_not_read_to_the_end_has_no_evidence(session: Session, journal: Journal, snapshot: VM) -> None:
    """A target that stores the image and never asks for its end has not seen it proven."""
    request = Request("/export", {"ref": snapshot.ref}, "export of web")
    with download(session, journal, request) as stream:
        proof = Proof(stream, XvaCheck(), Clock())
        pieces = proof.pieces()
        first = next(pieces)
        assert proof.read == memoryview(first).nbytes
        with pytest.raises(BackupError, match="without reading it to its end"):
            _ = proof.evidence
        pieces.close()
