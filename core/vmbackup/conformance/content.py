"""What is stored and read back when a target is held against its promises."""

import hashlib
from collections.abc import Iterable, Iterator

from vmbackup.conformance.holding import require
from vmbackup.contracts import Entry, Stored, Target
from vmbackup.settings import Settings

MIB = 1 << 20


def noise(size: int, seed: str = "") -> bytes:
    """Return `size` bytes that do not compress, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def read(target: Target[Settings], key: str, offset: int = 0, length: int | None = None) -> bytes:
    """Return what is stored under `key`, or a window of it."""
    return b"".join(target.fetch(key, offset, length))


def require_stored(target: Target[Settings], key: str, data: bytes) -> None:
    """Require that `key` holds `data`, is listed, and has its size, everywhere where one can ask."""
    found = target.stat(key)
    require(found == Stored(key, len(data)), f"stat of {key} says {found} where {len(data):,} bytes are stored")
    listed = [entry for entry in target.entries(key.rpartition("/")[0]) if entry.key == key]
    require(listed == [Entry(key, len(data))], f"{key} holds {len(data):,} bytes, and is listed as {listed}")
    require_same(target, key, [data])


def require_same(target: Target[Settings], key: str, chunks: Iterable[bytes]) -> None:
    """Require that `key` holds these bytes and no others, without keeping them all in memory."""
    wanted, found = _digest(chunks), _digest(target.fetch(key))
    require(found == wanted, f"{key} reads back as {found[0]:,} bytes that are not the {wanted[0]:,} that were stored")


def _digest(chunks: Iterable[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def require_absent(target: Target[Settings], key: str) -> None:
    """Require that nothing is seen under `key`, however one asks."""
    found = target.stat(key)
    require(found is None, f"stat of {key} says {found} where nothing is stored")
    listed = {entry.key for entry in target.entries(key.rpartition("/")[0])}
    require(key not in listed, f"{key} is listed where nothing is stored")


def files(target: Target[Settings], prefix: str = "") -> Iterator[Entry]:
    """Yield every file below `prefix`, however deep."""
    for entry in target.entries(prefix):
        if entry.size is None:
            yield from files(target, entry.key)
        else:
            yield entry
