"""One stream to several targets at once: the pool is read a single time, and the slowest target sets the pace."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from typing_extensions import Buffer

from vmbackup.contracts import Stored
from vmbackup.errors import BackupError, TargetStalled
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.stages import Stages

# Chunks that wait for one target. Four of 1 MiB keep both sides busy.
DEPTH = 4


class Feed:
    """What one target is still to be sent: a few chunks, then the end, or the error of their source."""

    def __init__(self) -> None:
        """Begin empty."""
        self._chunks: deque[Buffer] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._error: BaseException | None = None
        self.read_to_its_end = False

    def __iter__(self) -> Iterator[Buffer]:
        """Yield the chunks as they come. Raises what the source raised, at once, whatever still waits."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._chunks or self._over)
                if self._error is not None:
                    raise self._error
                if not self._chunks:
                    self.read_to_its_end = True
                    return
                chunk = self._chunks.popleft()
                self._changed.notify_all()
            yield chunk

    def offer(self, chunk: Buffer, seconds: float) -> bool:
        """Add a chunk once there is room, and say whether there was within so many seconds, or nobody cares."""
        with self._changed:
            room = self._changed.wait_for(lambda: len(self._chunks) < DEPTH or self._over, seconds)
            if room and not self._over:
                self._chunks.append(chunk)
                self._changed.notify_all()
            return room

    def end(self, error: BaseException | None = None) -> None:
        """Say that this was all, or that the source has failed."""
        with self._changed:
            if not self._over:
                self._over, self._error = True, error
                self._changed.notify_all()


@dataclass(slots=True)
class _Sink:
    """One target that is being stored to."""

    lane: Lane
    feed: Feed
    stored: Future[Stored]
    error: BaseException | None = None

    def is_open(self) -> bool:
        """Whether it still takes chunks."""
        return self.error is None and not self.stored.done()

    def send(self, chunk: Buffer) -> None:
        """Hand over a chunk. One that has to wait is waited for as long as something moves there."""
        if not self.is_open() or self.feed.offer(chunk, 0):
            return
        self.lane.beat()  # what came before was the pool's slowness, not the target's
        while self.is_open() and not self.feed.offer(chunk, self.lane.patience):
            if not self.lane.patience:
                self.error = self.lane.leave(self.stored)
                self.feed.end(self.error)

    def settle(self) -> None:
        """Wait until the target has stored everything, and keep what went wrong."""
        if self.error is not None:
            return
        self.lane.beat()
        try:
            self.lane.finish(self.stored)
        except TargetStalled as error:
            self.error = error
            return
        self.error = self.stored.exception()
        if self.error is None and not self.feed.read_to_its_end:
            self.error = BackupError(f"the target {self.lane.label} stored a file without reading it to its end")


def fan_out(chunks: Iterable[Buffer], lanes: Sequence[Lane], key: str, stages: Stages) -> Mapping[Lane, BaseException]:
    """Store a stream under `key` on the targets of all `lanes`; return what went wrong, and on which.

    Each chunk owns its bytes. Where `chunks` raises, so does this, once no target has anything under the key. When
    the last target has failed, no more is read. `stages` are told where each target's time goes.
    """
    errors: dict[Lane, BaseException] = {}
    sinks = []
    for lane in lanes:
        feed = Feed()
        try:
            stored = lane.start(partial(_store, key, feed, stages))
        except TargetStalled as error:
            errors[lane] = error
        else:
            stored.add_done_callback(partial(_unread, feed))
            sinks.append(_Sink(lane, feed, stored))
    failure: BaseException | None = None
    try:
        for chunk in chunks:
            for sink in sinks:
                sink.send(chunk)
            if not any(sink.is_open() for sink in sinks):
                break
    except BaseException as error:
        failure = error
        raise
    finally:
        for sink in sinks:
            sink.feed.end(failure)
        for sink in sinks:
            sink.settle()
    return errors | {sink.lane: sink.error for sink in sinks if sink.error is not None}


def _store(key: str, feed: Feed, stages: Stages, repository: Repository) -> Stored:
    return repository.store(key, stages.store(repository.target.label, feed))


def _unread(feed: Feed, _stored: Future[Stored]) -> None:
    """Nobody reads what is still sent."""
    feed.end()
