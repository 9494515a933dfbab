"""Bytes to and from a file of a server, with many requests on the way at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from itertools import chain
from typing import Generic, TypeVar

from asyncssh import SFTPClientFile

T = TypeVar("T")
# What OpenSSH takes in one request, and how many of them fill a fast line that is long.
PIECE = 255 << 10
REQUESTS = 64


async def send(
    file: SFTPClientFile, chunks: Iterable[bytes], offset: int, moved: Callable[[], None], seconds: float
) -> None:
    """Write the chunks from `offset` on; each answer may take so many seconds. What `chunks` raises goes on.

    Answers come in any order: where this is cut short, the last `PIECE * REQUESTS` bytes may have holes.
    """
    window: _Window[int] = _Window(seconds)
    try:
        for piece in _pieces(chunks):
            await window.add(file.write(piece, offset))
            moved()
            offset += len(piece)
        while window.waiting:
            await window.oldest()
            moved()
    finally:
        await window.drop()


async def digest(file: SFTPClientFile, size: int, moved: Callable[[], None], seconds: float) -> tuple[int, str]:
    """Read a file of that size, and return how many bytes came and their SHA-256."""
    window: _Window[bytes] = _Window(seconds)
    found, count, offset = sha256(), 0, 0
    try:
        while offset < size or window.waiting:
            data = b""
            if offset < size:
                data = await window.add(file.read(min(PIECE, size - offset), offset)) or b""
                offset += PIECE
            else:
                data = await window.oldest()
            found.update(data)
            count += len(data)
            moved()
    finally:
        await window.drop()
    return count, found.hexdigest()


def _pieces(chunks: Iterable[bytes]) -> Iterable[bytes]:
    return chain.from_iterable(
        (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE)) for chunk in chunks
    )


class _Window(Generic[T]):
    """Requests that wait for their answers, in the order in which they were made."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.waiting: deque[asyncio.Future[T]] = deque()

    async def add(self, request: Awaitable[T]) -> T | None:
        """Make one more request, and where there are enough of them, wait for the answer to the oldest."""
        self.waiting.append(asyncio.ensure_future(request))
        if len(self.waiting) < REQUESTS:
            # So that it is on its way before its successor is made.
            await asyncio.sleep(0)
            return None
        return await self.oldest()

    async def oldest(self) -> T:
        """Wait for the answer to the oldest."""
        return await asyncio.wait_for(self.waiting.popleft(), self._seconds)

    async def drop(self) -> None:
        """Want no more answers."""
        for request in self.waiting:
            request.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)
