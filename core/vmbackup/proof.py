"""The stream of one image on its way from the pool to the target, and what is proven of it while it passes."""

from collections.abc import Generator, Iterator

from typing_extensions import Buffer

from vmbackup.errors import BackupError, ImageError, TransferError
from vmbackup.images import Evidence, ImageCheck
from vmbackup.stages import CHECKS, POOL, WAITS, Clock
from vmbackup.xapi.transfers import Download


class Proof:
    """A stream out of the pool that ends only if its image is whole and the pool says that the export succeeded.

    A target that stores `pieces()` therefore never publishes anything unproven: where a check fails, the stream raises.
    """

    def __init__(self, stream: Download, check: ImageCheck, clock: Clock) -> None:
        """`check` is fresh, and sees this stream alone; `clock` is that of the thread that reads it."""
        self._stream = stream
        self._check = check
        self._clock = clock
        self._evidence: Evidence | None = None
        self.read = 0

    @property
    def evidence(self) -> Evidence:
        """Why the image is held to be whole; known when the stream has ended."""
        if self._evidence is None:
            raise BackupError("a target stored an image without reading it to its end")
        return self._evidence

    def pieces(self) -> Generator[Buffer, None, None]:
        """Yield what is to be stored. Raises ImageError, TransferError, or the PoolError that explains them."""
        yield from self._clock.passing(self._proven(), CHECKS, WAITS)

    def _proven(self) -> Iterator[Buffer]:
        try:
            for piece in self._clock.passing(self._stream.pieces(), POOL, CHECKS):
                self.read += len(piece)
                kept = self._check.feed(piece)
                if memoryview(kept).nbytes:
                    yield kept
            evidence = self._check.close()
        except (ImageError, TransferError) as error:
            # The pool often knows why its stream is no image: its task says so before the bytes do (xapi: export.ml).
            if reason := self._stream.reason():
                reason.message += f"; the stream: {error.message}"
                raise reason from error
            raise
        self._clock.turn(POOL)
        self._stream.finish()
        self._evidence = evidence
