"""The server killed while a file is stored: nothing appears under the key, and the next run leaves nothing behind."""

import itertools
import threading
from collections.abc import Iterator
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
