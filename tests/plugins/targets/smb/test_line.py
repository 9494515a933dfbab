"""One session for all threads, and another after it was lost."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.plugins.targets.smb.conftest import MODES, settings
from tests.plugins.targets.smb.proxy import Proxy
from tests.plugins.targets.smb.samba import Samba, running

from vmbackup import Stored, TargetError
from vmbackup_targets.smb.target import Smb

MIB = 1 << 20


@pytest.fixture
def way(own_server: Samba) -> Iterator[Proxy]:
    with Proxy(own_server.port) as proxy:
        yield proxy


@pytest.fixture
def target(own_server: Samba, way: Proxy) -> Iterator[Smb]:
    with Smb("nas", settings(own_server, port=way.here, timeout=2)) as target:
        yield target


def test_many_threads_share_one_session(way: Proxy, target: Smb) -> None:
    def work(number: int) -> None:
        key = f"thread-{number}/key"
        data = bytes([number]) * (3 * MIB + number)
        try:
            target.store(key, [data])
            assert b"".join(target.fetch(key)) == data
            assert [entry.key for entry in target.entries(f"thread-{number}")] == [key]
            target.delete(key)
        except BaseException as error:
            failures.append(error)
            raise

    failures: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert way.connections == 1
    assert list(target.entries()) == []


@pytest.mark.parametrize("mode", ["encrypted", "encrypted with CCM"])
@pytest.mark.parametrize("granted", [1, 128])
def test_a_server_that_grants_little_is_asked_for_little_at_once(tmp_path: Path, mode: str, granted: int) -> None:
    options = {**MODES[mode][0], "smb2 max credits": str(granted)}
    size = (100 * granted + 300) * 1024
    with (
        running(Samba(tmp_path / "few", options)) as server,
        Smb("nas", settings(server)) as target,
        ThreadPoolExecutor(4) as pool,
    ):
        stored = pool.map(lambda number: target.store(f"folder/{number}", [bytes([number]) * size]), range(8))
        assert [each.size for each in stored] == [size] * 8
        fetched = pool.map(lambda number: b"".join(target.fetch(f"folder/{number}")), range(8))
        assert list(fetched) == [bytes([number]) * size for number in range(8)]


def test_a_session_that_was_lost_in_between_is_not_even_noticed(own_server: Samba, way: Proxy, target: Smb) -> None:
    target.store("key", [b"x"])
    own_server.stop()
    own_server.start()
    assert target.stat("key") == Stored("key", 1)
    assert way.connections == 2


def test_a_server_that_is_gone_is_an_error_each_time_and_used_again_when_it_is_back(
    own_server: Samba, target: Smb
) -> None:
    own_server.stop()
    for _ in range(3):
        with pytest.raises(TargetError, match="key could not be stored"):
            target.store("key", [b"x"])
    own_server.start()
    assert target.store("key", [b"x"]).size == 1


@pytest.mark.parametrize("call", ["small", "large"])
def test_a_server_that_stands_still_is_given_up_on(own_server: Samba, way: Proxy, target: Smb, call: str) -> None:
    """Its kernel still takes what is sent, until it has no room for more."""

    def source() -> Iterator[bytes]:
        yield bytes(MIB)
        own_server.send_signal(signal.SIGSTOP)
        yield from ([bytes(MIB)] * 100 if call == "large" else [b"x"])

    with pytest.raises(TargetError, match=r"has not answered for 2 s|it took nothing for 2 s"):
        target.store("key", source())
    own_server.send_signal(signal.SIGCONT)
    assert target.store("key", [b"y"]).size == 1
    assert way.connections == 2, "what the old one may still say is nothing to wait for"


def test_a_reader_whose_server_stands_still_is_told(own_server: Samba, target: Smb) -> None:
    target.store("key", [bytes(MIB)] * 40)
    pieces = target.fetch("key")
    next(pieces)
    own_server.send_signal(signal.SIGSTOP)
    with pytest.raises(TargetError, match="has not answered for 2 s"):
        list(pieces)
    own_server.send_signal(signal.SIGCONT)
    assert len(b"".join(target.fetch("key"))) == 40 * MIB


def test_a_reader_that_stops_early_leaves_the_session_as_it_was(way: Proxy, target: Smb) -> None:
    target.store("key", [bytes(MIB)] * 40)
    pieces = target.fetch("key")
    next(pieces)
    pieces.close()  # type: ignore[attr-defined] # it is a generator
    target.delete("key")
    assert list(target.entries()) == []
    assert way.connections == 1


def test_nothing_is_left_of_a_target_that_was_left(own_server: Samba) -> None:
    before = set(threading.enumerate())
    target = Smb("nas", settings(own_server))
    for _ in range(2):
        with target:
            target.store("key", [b"x"])
            target.delete("key")
    assert set(threading.enumerate()) <= before
    with pytest.raises(RuntimeError, match="entered before it is used"):
        target.stat("key")
