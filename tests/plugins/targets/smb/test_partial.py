"""The server killed while a file is stored: nothing appears under the key, and the next run leaves nothing behind."""

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from tests.plugins.targets.smb.conftest import settings
from tests.plugins.targets.smb.proxy import Proxy
from tests.plugins.targets.smb.samba import Samba

from vmbackup import Leftover, TargetError
from vmbackup_targets.smb.target import Smb

MIB = 1 << 20
PIECES = [bytes([number]) * MIB for number in range(16)]
WHOLE = b"".join(PIECES)
KEY = "pool/vm/image.xva"
# Rename, then open, flush and close the folder, then close the file.
AFTER_THE_RENAME = 4


def stored(target: Smb) -> None:
    target.store(KEY, iter(PIECES))


def tidied(target: Smb) -> list[Leftover]:
    """What the next run does: discard what is left over."""
    found = list(target.leftovers())
    for leftover in found:
        target.discard(leftover)
    return found


@pytest.fixture
def way(own_server: Samba) -> Iterator[Proxy]:
    with Proxy(own_server.port) as proxy:
        yield proxy


@pytest.fixture
def target(own_server: Samba, way: Proxy) -> Iterator[Smb]:
    with Smb("nas", settings(own_server, port=way.here)) as target:
        yield target


@pytest.fixture
def requests(target: Smb, way: Proxy) -> int:
    """How many requests storing takes."""
    before = way.requests
    stored(target)
    taken = way.requests - before
    target.delete(KEY)
    return taken


def killed_at(server: Samba, way: Proxy, request: int) -> None:
    """Kill the server instead of handing it the request of that number, counted from now."""
    count = itertools.count(1)

    def kill(frame: bytes) -> bytes | None:
        if next(count) == request:
            server.stop()
            return None
        return frame

    way.on_request = kill


@pytest.mark.parametrize("tenth", range(10))
def test_killed_at_ten_places_nothing_appears_and_nothing_stays(
    own_server: Samba, way: Proxy, target: Smb, requests: int, tenth: int
) -> None:
    last = requests - AFTER_THE_RENAME
    killed_at(own_server, way, 1 + tenth * (last - 1) // 9)
    with pytest.raises(TargetError, match=KEY) as raised:
        stored(target)
    assert own_server.process is None, raised.value
    assert "connects anew" in raised.value.advice
    assert KEY not in own_server.files()
    way.on_request = lambda frame: frame
    own_server.start()
    assert target.stat(KEY) is None
    assert {leftover.key for leftover in tidied(target)} <= {KEY}
    assert not [name for name in own_server.files() if "partial" in name]
    stored(target)
    assert b"".join(target.fetch(KEY)) == WHOLE
    assert own_server.files() == {"pool", "pool/vm", KEY}


@pytest.mark.parametrize("behind", range(AFTER_THE_RENAME))
def test_killed_after_the_rename_the_whole_file_is_there(
    own_server: Samba, way: Proxy, target: Smb, requests: int, behind: int
) -> None:
    killed_at(own_server, way, requests - behind)
    with pytest.raises(TargetError, match=KEY) as raised:
        stored(target)
    assert own_server.process is None, raised.value
    way.on_request = lambda frame: frame
    own_server.start()
    assert tidied(target) == []
    assert b"".join(target.fetch(KEY)) == WHOLE


def test_a_client_that_goes_on_writing_is_no_leftover(own_server: Samba, target: Smb) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def chunks() -> Iterator[bytes]:
        yield PIECES[0]
        begun.set()
        go_on.wait(60)
        yield PIECES[1]

    writer = threading.Thread(target=lambda: target.store(KEY, chunks()))
    writer.start()
    try:
        assert begun.wait(60)
        (unfinished,) = (own_server.share / "pool/vm").iterdir()
        with Smb("nas", settings(own_server)) as other:
            assert list(other.leftovers()) == []
            token = unfinished.relative_to(own_server.share).as_posix()
            with pytest.raises(TargetError, match="being written at this moment"):
                other.discard(Leftover(KEY, token, 0, other_time(unfinished.stat().st_mtime)))
    finally:
        go_on.set()
        writer.join()
    assert target.stat(KEY) is not None


def other_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_file_gets_its_name_after_all_of_it_was_written_and_flushed(servers: Callable[[str], Samba]) -> None:
    """What goes over the wire, which can be read where it is signed only."""
    create, close, flush, write, query, change = 5, 6, 7, 9, 16, 17
    names = {create: "open", close: "close", flush: "flush", write: "write", query: "size", change: "rename"}
    server = servers("signed")
    with Proxy(server.port) as way, Smb("nas", settings(server, port=way.here, encrypt=False)) as target:
        said: list[str] = []

        def listen(frame: bytes) -> bytes:
            said.append(names[int.from_bytes(frame[12:14], "little")])
            return frame

        way.on_request = listen
        target.store("key", [bytes(MIB)] * 3)
        way.on_request = lambda frame: frame
        target.delete("key")
    # Looking for the key, and making the unfinished file; then, for the folder, what makes the new name durable.
    wanted = ["open", "open", "write", "write", "write", "flush", "size", "rename", "open", "flush", "close", "close"]
    assert said == wanted
