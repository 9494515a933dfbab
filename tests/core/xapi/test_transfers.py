"""Streams under a task of their own: only the task says that one has succeeded, and it never stays behind."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.xapi.pool import MIB, answer, begin, export, login, settled, state, tapped, vm_called

from vmbackup.errors import ImageError, PoolError, Stalled, TimeUp, TransferError
from vmbackup.journal import Journal, dead_journals
from vmbackup.simulator import BodyHook, CallFails, Cut, ErrorInBody, Reset, Simulator, Stall, TaskFails
from vmbackup.xapi import patience
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, download, own_task, upload
from vmbackup.xapi.watchdog import Limits

REFUSALS = ["401 Unauthorised", "302 Found"]


@pytest.fixture
def snapshot(session: Session) -> str:
    """A snapshot that can be exported."""
    return str(session.call("VM.snapshot", vm_called(session, "web").ref, "a snapshot"))


def _request(ref: str) -> Request:
    return Request("/export", {"ref": ref}, "export of a test")


def _nothing_stays(sim: Simulator, journal: Journal) -> bool:
    return sim.records("task") == {} and journal.open == ()


def test_a_whole_stream(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    before = state(sim)
    with download(session, journal, _request(snapshot)) as stream:
        assert [intent.kind for intent in journal.open] == ["task"]
        (task,) = sim.records("task").values()
        assert task["name_label"] == journal.open[0].text("label")
        assert task["name_description"] == "export of a test"
        data = b"".join(stream.pieces())
        stream.finish()
        assert stream.reason(within=0) is None
    assert data.startswith(b"ova.xml")
    assert data.endswith(bytes(1024))
    assert _nothing_stays(sim, journal)
    assert state(sim) == before


def test_a_stream_that_ends_well_while_its_task_fails(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    sim.faults.add(TaskFails(code="VDI_IO_ERROR", params=("Device I/O errors",)))
    with download(session, journal, _request(snapshot)) as stream:
        assert b"".join(stream.pieces()).endswith(bytes(1024))
        with pytest.raises(PoolError) as caught:
            stream.finish()
    assert caught.value.code == "VDI_IO_ERROR"
    assert caught.value.message.startswith("export of a test: ")
    assert _nothing_stays(sim, journal)


def test_a_connection_that_breaks(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    sim.faults.add(Reset(after=MIB))
    with (
        pytest.raises(TransferError, match="export of a test: the stream broke"),
        download(session, journal, _request(snapshot)) as stream,
    ):
        for _ in stream.pieces():
            pass
    assert _nothing_stays(sim, journal)


def test_the_pools_own_reason_for_a_stream_that_went_wrong(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    sim.faults.add(ErrorInBody(after=MIB))
    with download(session, journal, _request(snapshot)) as stream:
        assert b"500 Internal Error" in b"".join(stream.pieces())
        reason = stream.reason()
    assert isinstance(reason, PoolError)
    assert reason.code == "SR_BACKEND_FAILURE_200"
    assert _nothing_stays(sim, journal)


def test_a_task_that_never_ends_is_no_success(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    sim.faults.add(Cut(after=MIB, task="pending"))
    with download(session, journal, _request(snapshot)) as stream:
        assert len(b"".join(stream.pieces())) == MIB
        assert stream.reason(within=0.1) is None
        with pytest.raises(TransferError, match="but the pool's task did not"):
            stream._task.result(within=0.1)
        (ref,) = sim.records("task")
        # As a pool does that restarts: else its end would be waited for.
        with sim.editing() as pool:
            pool.db.delete("task", ref)
    assert _nothing_stays(sim, journal)


def test_a_task_that_vanishes_is_no_success(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    def restart() -> None:
        with sim.editing() as pool:
            for ref in list(pool.db.table("task")):
                pool.db.delete("task", ref)

    sim.faults.add(BodyHook(after=MIB, run=restart))
    with download(session, journal, _request(snapshot)) as stream:
        assert b"".join(stream.pieces()).endswith(bytes(1024))
        with pytest.raises(TransferError, match="nobody knows how it ended") as caught:
            stream.finish()
        assert stream.reason() is None
    assert "toolstack" in caught.value.advice
    assert _nothing_stays(sim, journal)


def test_a_pool_that_hangs_up_without_a_word_has_said_why_in_the_task(
    sim: Simulator, session: Session, journal: Journal
) -> None:
    with pytest.raises(PoolError) as caught, download(session, journal, _request("OpaqueRef:none")):
        pass
    assert caught.value.code == "NO_HOSTS_AVAILABLE"
    assert _nothing_stays(sim, journal)


def test_a_task_that_failed_without_saying_why(sim: Simulator, session: Session, journal: Journal) -> None:
    for status, code in (("failure", "INTERNAL_ERROR"), ("cancelled", "TASK_CANCELLED")):
        with own_task(session, journal, "export") as task:
            session.call("task.set_status", task.ref, status)
            with pytest.raises(PoolError) as caught:
                task.result()
        assert caught.value.code == code
    assert _nothing_stays(sim, journal)


def test_who_stops_reading_leaves_nothing(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    before = state(sim)
    with download(session, journal, _request(snapshot)) as stream:
        assert next(stream.pieces())
    assert _nothing_stays(sim, journal)
    assert settled(sim, before), "disks are detached from the control domain"


@pytest.mark.parametrize("status", REFUSALS)
def test_a_download_that_no_handler_takes(sim: Simulator, journal: Journal, status: str) -> None:
    """Who is refused at the door has a task that nobody will ever end."""
    started = time.monotonic()
    with tapped(sim, answer("", status)) as (_, url), login(sim, url) as session:
        with (
            pytest.raises(TransferError, match=f"answered with HTTP {status[:3]}"),
            download(session, journal, _request("OpaqueRef:x")),
        ):
            pass
        assert _nothing_stays(sim, journal)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("status", REFUSALS)
def test_an_upload_that_no_handler_takes(sim: Simulator, journal: Journal, status: str) -> None:
    started = time.monotonic()
    with tapped(sim, answer("", status)) as (_, url), login(sim, url) as session:
        with pytest.raises(TransferError, match=f"answered with HTTP {status[:3]}"):
            upload(session, journal, Request("/import", {}, "import"), [b"small"], 5)
        assert _nothing_stays(sim, journal)
    assert time.monotonic() - started < 6


def test_a_refused_upload_tells_the_pools_own_reason(sim: Simulator, session: Session, journal: Journal) -> None:
    (iso,) = [ref for ref, record in sim.records("SR").items() if record["content_type"] == "iso"]
    with pytest.raises(PoolError) as caught:
        upload(session, journal, Request("/import", {"sr_id": iso}, "import"), [b"small"], 5)
    assert caught.value.code == "SR_OPERATION_NOT_SUPPORTED"
    assert _nothing_stays(sim, journal)


def test_a_pool_that_cannot_set_progress_streams_all_the_same(
    sim: Simulator, session: Session, journal: Journal, snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SETTLE_SECONDS", 0.1)
    refused = CallFails(method="task.set_progress", code="MESSAGE_METHOD_UNKNOWN", params=("task.set_progress",))
    sim.faults.add(refused)
    assert export(session, journal, snapshot).startswith(b"ova.xml")
    assert _nothing_stays(sim, journal)
    sim.faults.add(CallFails(method="task.set_progress", code="RBAC_PERMISSION_DENIED", params=("task.set_progress",)))
    with pytest.raises(PoolError, match="RBAC_PERMISSION_DENIED"):
        export(session, journal, snapshot)
    assert _nothing_stays(sim, journal)


def test_what_cannot_be_removed_stays_in_the_journal(
    sim: Simulator, session: Session, journals: Path, snapshot: str
) -> None:
    with begin(journals) as journal:
        sim.faults.add(CallFails(method="task.destroy", nth=None, code="HOST_STILL_BOOTING"))
        export(session, journal, snapshot)
        assert [intent.kind for intent in journal.open] == ["task"]
    (dead,) = dead_journals(journals)
    assert [intent.kind for intent in dead.open] == ["task"]


def test_an_image_goes_in(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    image = export(session, journal, snapshot)
    vms = len(sim.records("VM"))
    result = upload(session, journal, Request("/import", {}, "import"), [image[:100], b"", image[100:]], len(image))
    assert "OpaqueRef:" in result
    assert len(sim.records("VM")) == vms + 1
    assert _nothing_stays(sim, journal)


def test_a_pool_that_has_enough_and_resets_the_connection_has_succeeded(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    """The importer never reads what follows the last block: the sender meets a RST in the middle of it."""
    image = export(session, journal, snapshot)
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        yield image
        for _ in range(64):
            sent.append(1)
            yield bytes(MIB)

    result = upload(session, journal, Request("/import", {}, "import"), pieces(), len(image) + 64 * MIB)
    assert "OpaqueRef:" in result
    assert len(sent) < 64, "the connection broke before all was sent"
    assert _nothing_stays(sim, journal)


def test_a_source_that_fails_cancels_the_upload(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    image = export(session, journal, snapshot)
    before = state(sim)

    def pieces() -> Iterator[bytes]:
        yield image[: len(image) // 2]
        raise ImageError("the stored file is damaged", position=7)

    with pytest.raises(ImageError, match="the stored file is damaged"):
        upload(session, journal, Request("/import", {}, "import"), pieces(), len(image))
    assert _nothing_stays(sim, journal)
    assert settled(sim, before), "the pool has unmade what it had of the VM"


def test_a_pool_unmakes_an_import_whose_task_was_destroyed(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    """As happens to a task that is cancelled before its handler has taken it up."""
    image = export(session, journal, snapshot)
    before = state(sim)

    def pieces() -> Iterator[bytes]:
        yield image[: len(image) // 2]
        while len(sim.records("VM")) == len(before["VM"]):
            time.sleep(0.01)
        (task,) = sim.records("task")
        session.call("task.set_status", task, "cancelled")
        session.call("task.destroy", task)
        raise ImageError("the stored file is damaged", position=7)

    with pytest.raises(ImageError, match="the stored file is damaged"):
        upload(session, journal, Request("/import", {}, "import"), pieces(), len(image))
    assert settled(sim, before)


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError, OSError])
def test_a_source_that_fails_like_a_connection_is_no_success(
    sim: Simulator, session: Session, journal: Journal, snapshot: str, error: type[OSError]
) -> None:
    """A target on the network fails with the very errors that are passed over where the pool hangs up."""
    image = export(session, journal, snapshot)
    before = state(sim)

    def pieces() -> Iterator[bytes]:
        yield image[: len(image) // 2]
        raise error("the NAS is gone")

    with pytest.raises((PoolError, TransferError)):
        upload(session, journal, Request("/import", {}, "import"), pieces(), len(image))
    assert _nothing_stays(sim, journal)
    assert settled(sim, before)


def test_a_source_that_ends_early_is_no_success(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    image = export(session, journal, snapshot)
    before = state(sim)
    half = image[: len(image) // 2]
    with pytest.raises(PoolError):
        upload(session, journal, Request("/import", {}, "import"), [half], len(half))
    assert _nothing_stays(sim, journal)
    assert settled(sim, before)


def test_an_import_that_fails_at_its_end(sim: Simulator, session: Session, journal: Journal, snapshot: str) -> None:
    image = export(session, journal, snapshot)
    before = state(sim)
    sim.faults.add(TaskFails(path="/import", code="IMPORT_ERROR_SOME_CHECKSUMS_FAILED"))
    with pytest.raises(PoolError) as caught:
        upload(session, journal, Request("/import", {}, "import"), [image], len(image))
    assert caught.value.code == "IMPORT_ERROR_SOME_CHECKSUMS_FAILED"
    assert _nothing_stays(sim, journal)
    assert settled(sim, before)


@pytest.mark.parametrize("more", [64 * MIB, 0], ids=["while it is sent", "when all is sent"])
def test_an_import_that_stands_still_is_given_up(
    sim: Simulator, session: Session, journal: Journal, snapshot: str, more: int
) -> None:
    image = export(session, journal, snapshot)
    before = state(sim)
    sim.faults.add(Stall(path="/import", after=1000 if more else MIB, seconds=30))
    started = time.monotonic()
    with pytest.raises(Stalled, match="import: for 1 s neither a byte passed"):
        upload(
            session,
            journal,
            Request("/import", {}, "import"),
            [image, bytes(more)],
            len(image) + more,
            limits=Limits(stall=1),
        )
    assert time.monotonic() - started < 25
    assert _nothing_stays(sim, journal)
    assert settled(sim, before)


def test_an_import_that_goes_on_in_silence_is_waited_for(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    image = export(session, journal, snapshot)
    sim.faults.add(Stall(path="/import", after=MIB, seconds=2.5, progress="moves"))
    result = upload(session, journal, Request("/import", {}, "import"), [image], len(image), limits=Limits(stall=1))
    assert "OpaqueRef:" in result


def test_an_import_whose_time_is_up_is_given_up(
    sim: Simulator, session: Session, journal: Journal, snapshot: str
) -> None:
    image = export(session, journal, snapshot)
    before = state(sim)

    def slowly() -> Iterator[bytes]:
        yield image[:MIB]
        time.sleep(0.3)
        yield image[MIB:]

    limits = Limits(deadline=time.monotonic() + 0.2)
    with pytest.raises(TimeUp, match="import: the time that max-duration gives it is up"):
        upload(session, journal, Request("/import", {}, "import"), slowly(), len(image), limits=limits)
    assert _nothing_stays(sim, journal)
    assert settled(sim, before)
