"""The transport under the library, against a plain socket."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from vmbackup_targets.smb.trouble import Lost
from vmbackup_targets.smb.wire import LENGTH, Wire

LONG = 60.0


@pytest.fixture
def wire() -> Iterator[Wire]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire("127.0.0.1", listener.getsockname()[1], 1)
        wire.connect()
        wire.other, _ = listener.accept()  # type: ignore[attr-defined] # for `peer`
    yield wire
    wire.close()
    wire.forget()


@pytest.fixture
def peer(wire: Wire) -> Iterator[socket.socket]:
    """The other end."""
    other: socket.socket = wire.other  # type: ignore[attr-defined] # as above
    with other:
        yield other


def framed(message: bytes) -> bytes:
    return LENGTH.pack(len(message)) + message


def test_frames_come_whole_however_they_are_cut(wire: Wire, peer: socket.socket) -> None:
    messages = [b"a", os.urandom(70_000), b"bc" * 100, os.urandom(3)]

    def drip() -> None:
        stream = b"".join(map(framed, messages))
        for at in range(0, len(stream), 997):
            peer.sendall(stream[at : at + 997])

    sender = threading.Thread(target=drip)
    sender.start()
    assert [wire.recv(LONG) for _ in messages] == messages
    sender.join()


def test_a_frame_is_sent_whole_from_its_parts(wire: Wire, peer: socket.socket) -> None:
    parts: list[bytes | memoryview] = [b"head", memoryview(os.urandom(9 << 20)), b"", memoryview(b"tail")]
    received = bytearray()

    def receive() -> None:
        while len(received) < LENGTH.size + 8 + (9 << 20):
            received.extend(peer.recv(1 << 16))

    receiver = threading.Thread(target=receive)
    receiver.start()
    wire.send_parts(parts)
    receiver.join()
    assert bytes(received) == framed(b"".join(parts))


def test_the_taker_is_shown_every_frame_first(wire: Wire, peer: socket.socket) -> None:
    shown = []

    def take(frame: memoryview) -> bool:
        shown.append(bytes(frame))
        return frame[:1] == memoryview(b"m")

    wire.taker = take
    peer.sendall(framed(b"mine") + framed(b"yours"))
    assert wire.recv(LONG) == b"yours"
    assert shown == [b"mine", b"yours"]


def test_silence_between_frames_is_told_as_the_library_wants_it(wire: Wire, peer: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        wire.recv(0)
    assert wire.connected
    peer.sendall(framed(b"late"))
    assert wire.recv(LONG) == b"late"


@pytest.mark.parametrize("begun", [b"\0", framed(b"half")[:-1]])
def test_silence_within_a_frame_is_the_end(wire: Wire, peer: socket.socket, begun: bytes) -> None:
    peer.sendall(begun)
    assert wire.recv(LONG) == b""
    assert not wire.connected


def test_the_end_of_the_stream_is_an_empty_frame_and_tells_those_who_wait(wire: Wire, peer: socket.socket) -> None:
    told = []
    wire.when_closed = lambda: told.append(True)
    peer.close()
    assert wire.recv(LONG) == b""
    assert told
    with pytest.raises(Lost, match="is closed"):
        wire.send(b"x")


def test_what_is_no_frame_of_smb_is_the_end(wire: Wire, peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 400 Bad Request")
    assert wire.recv(LONG) == b""


def test_closing_wakes_the_one_who_waits(wire: Wire, peer: socket.socket) -> None:
    got: list[bytes] = []
    waiter = threading.Thread(target=lambda: got.append(wire.recv(LONG)))
    waiter.start()
    time.sleep(0.1)
    wire.close()
    waiter.join(LONG)
    assert got == [b""]


def test_one_who_takes_nothing_is_given_up_on(wire: Wire, peer: socket.socket) -> None:
    with pytest.raises(Lost, match="took nothing for 1 s"):
        wire.send(bytes(15 << 20))
    with pytest.raises(Lost, match="is closed"):
        wire.send(b"x")
