"""Stages of a stream of bytes: each takes an iterator of chunks and is one, so that a backup is their composition."""

import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import xxhash
from typing_extensions import Buffer

from vmbackup.images.checksums import Hasher
from vmbackup.manifest import DigestKind

# Chunks between two threads. Four of 1 MiB keep reader and writer busy; more brought nothing (docs/performance.md).
DEPTH = 4


class Meter:
    """Passes chunks through, and knows their number of bytes and their digest when they have gone by."""

    def __init__(self, chunks: Iterable[Buffer], kind: DigestKind = "sha256") -> None:
        """Take the chunks to pass through, and the digest to make of them."""
        self._chunks = chunks
        self._kind = kind
        self._digest: Hasher = hashlib.sha256() if kind == "sha256" else xxhash.xxh3_128()
        self.size = 0

    def __iter__(self) -> Iterator[Buffer]:
        """Yield the chunks."""
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size += memoryview(chunk).nbytes
            yield chunk

    @property
    def hexdigest(self) -> str:
        """The digest of what has gone by, in hex."""
        return self._digest.hexdigest()

    @property
    def digest(self) -> str:
        """The same with its kind before it, such as `sha256:9f86…`."""
        return f"{self._kind}:{self.hexdigest}"


def counted(chunks: Iterable[Buffer], tell: Callable[[int], None]) -> Iterator[Buffer]:
    """Yield the chunks and tell the length of each once it has been used."""
    for chunk in chunks:
        yield chunk
        tell(memoryview(chunk).nbytes)


def ahead(chunks: Iterator[Buffer], depth: int = DEPTH) -> Generator[Buffer, None, None]:
    """Yield the chunks while another thread is already fetching the next `depth`; each must own its bytes.

    What `chunks` raises is raised here, after the chunks before it. When this is closed early the other thread stops
    at its next chunk; whoever made `chunks` wakes it up by closing what they come from.
    """
    ready: queue.Queue[Buffer | None] = queue.Queue(depth)
    stop = threading.Event()
    failed: list[BaseException] = []

    def put(chunk: Buffer | None) -> None:
        while not stop.is_set():
            try:
                ready.put(chunk, timeout=0.2)
            except queue.Full:
                continue
            return

    def fetch() -> None:
        try:
            for chunk in chunks:
                put(chunk)
                if stop.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - it goes on in the thread that asked
            failed.append(error)
        put(None)

    thread = threading.Thread(target=fetch, name="vmbackup-ahead", daemon=True)
    thread.start()
    try:
        while (chunk := ready.get()) is not None:
            yield chunk
        thread.join()
        if failed:
            raise failed[0]
    finally:
        stop.set()


def read_all(chunks: Iterator[bytes], limit: int) -> bytes:
    """Return a small file whole. Raises ValueError if it has more than `limit` bytes, having read not much more."""
    data = bytearray()
    for piece in chunks:
        data += piece
        if len(data) > limit:
            raise ValueError(f"it has more than {limit:,} bytes")
    return bytes(data)
