"""What goes over the wire: how much is under way at once, and what becomes of answers that are changed."""

import threading
from collections.abc import Iterator

import pytest
from tests.plugins.targets.smb.conftest import MODES, settings
from tests.plugins.targets.smb.proxy import Proxy
from tests.plugins.targets.smb.samba import Samba

from vmbackup import TargetError
from vmbackup_targets.smb.target import Smb

MIB = 1 << 20
AT_ONCE = 16
PIECES = [bytes([number]) * MIB for number in range(2 * AT_ONCE)]
PATIENCE = 30


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
def way(server: Samba) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def target(server: Samba, way: Proxy, mode: str) -> Iterator[Smb]:
    with Smb("nas", settings(server, port=way.here, encrypt=MODES[mode][1], timeout=PATIENCE)) as target:
        yield target
        way.on_request = way.on_answer = lambda frame: frame
        target.delete("key")


def test_writes_do_not_wait_for_each_others_answers(target: Smb, way: Proxy) -> None:
    """The proxy keeps all answers to itself until many writes have come."""
    writes = threading.Semaphore(0)
    enough = threading.Event()

    def count(frame: bytes) -> bytes:
        if len(frame) > MIB:
            writes.release()
        return frame

    def source() -> Iterator[bytes]:
        way.on_answer = hold
        yield from PIECES

    def hold(frame: bytes) -> bytes:
        if not enough.is_set():
            assert all(writes.acquire(timeout=PATIENCE) for _ in range(AT_ONCE))
            enough.set()
        return frame

    way.on_request = count
    target.store("key", source())
    assert enough.is_set()
    assert b"".join(target.fetch("key")) == b"".join(PIECES)


def test_reads_do_not_wait_for_each_others_answers(target: Smb, way: Proxy) -> None:
    target.store("key", PIECES)
    # Opening the file is one request, and then come the reads.
    wanted = way.requests + 1 + AT_ONCE
    enough = threading.Event()

    def hold(frame: bytes) -> bytes:
        if len(frame) > MIB and not enough.is_set():
            assert way.wait_for_requests(wanted, PATIENCE)
            enough.set()
        return frame

    way.on_answer = hold
    assert b"".join(target.fetch("key")) == b"".join(PIECES)
    assert enough.is_set()


@pytest.mark.parametrize("place", [4, 30, 64, 1000, -1], ids=lambda place: f"byte {place}")
def test_a_changed_answer_ends_the_session_and_is_never_given_out(target: Smb, way: Proxy, place: int) -> None:
    target.store("key", PIECES)

    def change(frame: bytes) -> bytes:
        if len(frame) <= MIB:
            return frame
        changed = bytearray(frame)
        changed[place] ^= 1
        return bytes(changed)

    way.on_answer = change
    with pytest.raises(TargetError, match="key could not be read"):
        list(target.fetch("key"))
    way.on_answer = lambda frame: frame
    assert b"".join(target.fetch("key")) == b"".join(PIECES)


def test_a_changed_request_is_refused_by_the_server(target: Smb, way: Proxy) -> None:
    way.on_request = _flip_last_of_large
    with pytest.raises(TargetError, match="key could not be stored"):
        target.store("key", PIECES)
    way.on_request = lambda frame: frame
    assert target.stat("key") is None
    for leftover in list(target.leftovers()):
        target.discard(leftover)


def _flip_last_of_large(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 1]) if len(frame) > MIB else frame


def test_an_answer_without_protection_is_not_taken(target: Smb, way: Proxy, mode: str) -> None:
    """Somebody between answers in the clear, and unsigned, that a file is there."""
    if mode.startswith("encrypted"):

        def strip(frame: bytes) -> bytes:
            return b"\xfeSMB" + frame[4:]
    else:

        def strip(frame: bytes) -> bytes:
            flags = frame[16] & ~0x08
            return frame[:16] + bytes([flags]) + frame[17:48] + bytes(16) + frame[64:]

    way.on_answer = strip
    with pytest.raises(TargetError, match="key could not be looked at"):
        target.stat("key")
