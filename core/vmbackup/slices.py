"""Digests of the slices of a stored file: what lets `verify --sample` prove a few of them without reading the rest.

A digest is the XXH3 (64 bits) over those of the slice's leaves of 4 MiB. How long the file is shows only at its end, so
the leaves are digested while it passes and put together then: a manifest has 4,096 slices at most, however long it is.
"""

from collections.abc import Iterable, Iterator, Sequence

import xxhash
from typing_extensions import Buffer

from vmbackup.manifest import Slices

LEAF = 4 << 20
MOST = 4096
_DIGITS = 16


class Slicing:
    """Passes chunks through, and knows the digests of their slices when they have gone by."""

    def __init__(self, chunks: Iterable[Buffer], most: int = MOST) -> None:
        """Take the chunks to pass through; there will be `most` slices at most."""
        self._chunks = chunks
        self._most = most
        self._leaves = _Leaves()

    def __iter__(self) -> Iterator[Buffer]:
        """Yield the chunks."""
        for chunk in self._chunks:
            self._leaves.update(chunk)
            yield chunk

    @property
    def slices(self) -> Slices:
        """The digests of what has gone by."""
        leaves = self._leaves.digests()
        together = max(1, -(-len(leaves) // self._most))
        digests = (_joined(leaves[start : start + together]) for start in range(0, len(leaves), together))
        return Slices(size=together * LEAF, digests="".join(digests))


def digest_of(chunks: Iterable[Buffer]) -> str:
    """Return the digest of one slice, in hex."""
    leaves = _Leaves()
    for chunk in chunks:
        leaves.update(chunk)
    return _joined(leaves.digests())


def expected(slices: Slices) -> list[str]:
    """Return the digest of each slice, in hex, in their order."""
    return [slices.digests[at : at + _DIGITS] for at in range(0, len(slices.digests), _DIGITS)]


class _Leaves:
    """The digests of the leaves of a stream, whatever the pieces in which it comes."""

    def __init__(self) -> None:
        self._done: list[bytes] = []
        self._leaf = xxhash.xxh3_64()
        self._room = LEAF

    def update(self, chunk: Buffer) -> None:
        view = memoryview(chunk)
        if not view.nbytes:
            return
        octets = view.cast("B")
        while octets:
            part = octets[: self._room]
            self._leaf.update(part)
            self._room -= len(part)
            octets = octets[len(part) :]
            if not self._room:
                self._done.append(self._leaf.digest())
                self._leaf, self._room = xxhash.xxh3_64(), LEAF

    def digests(self) -> list[bytes]:
        return self._done if self._room == LEAF else [*self._done, self._leaf.digest()]


def _joined(leaves: Sequence[bytes]) -> str:
    return str(xxhash.xxh3_64_hexdigest(b"".join(leaves)))
