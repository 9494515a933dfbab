import hashlib
import threading
import time
from collections.abc import Iterable, Iterator

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import Buffer

from vmbackup.stream import DEPTH, Meter, ahead, counted, read_all

CHUNKS = st.lists(st.binary(max_size=50))


def joined(chunks: Iterable[Buffer]) -> bytes:
    return b"".join(bytes(memoryview(chunk)) for chunk in chunks)


@given(CHUNKS)
def test_a_meter_passes_everything_and_knows_its_size_and_digest(chunks: list[bytes]) -> None:
    meter = Meter(chunks)
    whole = b"".join(chunks)
    assert list(meter) == chunks
    assert (meter.size, meter.hexdigest) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert meter.digest == f"sha256:{meter.hexdigest}"
    quick = Meter(chunks, "xxh3-128")
    list(quick)
    assert quick.digest == f"xxh3-128:{xxhash.xxh3_128_hexdigest(whole)}"


def test_a_meter_counts_bytes_of_wider_views() -> None:
    meter = Meter([memoryview(bytearray(16)).cast("I")])
    assert joined(meter) == bytes(16)
    assert meter.size == 16
    assert meter.hexdigest == hashlib.sha256(bytes(16)).hexdigest()


def test_a_meter_lets_errors_through() -> None:
    def broken() -> Iterator[bytes]:
        yield b"ab"
        raise OSError("no")

    meter = Meter(broken())
    with pytest.raises(OSError, match="no"):
        list(meter)
    assert meter.size == 2


def test_a_chunk_is_counted_when_it_has_been_used() -> None:
    told: list[int] = []
    chunks = counted([b"ab", b"cde"], told.append)
    assert (next(chunks), told) == (b"ab", [])
    assert (next(chunks), told) == (b"cde", [2])
    assert list(chunks) == []
    assert told == [2, 3]


@given(CHUNKS, st.integers(1, 5))
def test_ahead_changes_nothing(chunks: list[bytes], depth: int) -> None:
    assert list(ahead(iter(chunks), depth)) == chunks


def test_ahead_fetches_ahead_and_not_without_bound() -> None:
    fetched: list[int] = []
    full = threading.Event()

    def source() -> Iterator[bytes]:
        for number in range(50):
            fetched.append(number)
            if len(fetched) == DEPTH + 2:
                full.set()
            yield b"x"

    stream = ahead(source())
    assert next(stream) == b"x"
    # One is out, DEPTH wait, and one more is held by the thread that cannot put it down.
    assert full.wait(5)
    time.sleep(0.3)
    assert len(fetched) == DEPTH + 2
    assert len(list(stream)) == 49


def test_ahead_reads_and_uses_in_two_threads() -> None:
    threads: set[int] = set()

    def source() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        yield b"x"

    assert list(ahead(source())) == [b"x"]
    assert threads.isdisjoint({threading.get_ident()})


@pytest.mark.parametrize("error", [OSError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_the_source_raises_comes_after_what_it_gave(error: BaseException) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise error

    stream = ahead(broken())
    assert [next(stream), next(stream)] == [b"a", b"b"]
    with pytest.raises(type(error)) as caught:
        next(stream)
    assert caught.value is error


def test_a_source_that_raises_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(bytes(1 // number) for number in [0]))


def test_closed_early_the_other_thread_ends() -> None:
    def source() -> Iterator[bytes]:
        while True:
            yield b"x"

    before = set(threading.enumerate())
    stream = ahead(source())
    next(stream)
    (thread,) = set(threading.enumerate()) - before
    stream.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_user_that_raises_ends_the_other_thread() -> None:
    before = set(threading.enumerate())

    def use() -> None:
        for _ in ahead(iter([b"x"] * 100)):
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        use()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_a_stream_that_is_never_asked_starts_nothing() -> None:
    before = threading.active_count()
    ahead(iter([b"x"])).close()
    assert threading.active_count() == before


@pytest.mark.parametrize("limit", [6, 7, 100])
def test_a_small_file_is_read_whole(limit: int) -> None:
    assert read_all(iter([b"abc", b"", b"def"]), limit) == b"abcdef"


def test_a_file_beyond_its_limit_is_not_read_to_its_end() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 100

    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        read_all(endless(), 1000)
    assert read == 11
