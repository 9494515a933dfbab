"""One file on its way: gathered into parts, several under way at once, seen by nobody before its end."""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from vmbackup import Buffer
from vmbackup_targets.s3 import uploads
from vmbackup_targets.s3.bucket import Bucket, Found
from vmbackup_targets.s3.checksums import Part, hold, hold_whole
from vmbackup_targets.s3.parts import PARTS, flight, sizes
from vmbackup_targets.s3.trouble import TAKEN, Lost, Refused, Taken, Unusable

_SECOND_HAND = {*TAKEN, "NoSuchUpload"}
_NO_LOCK = "Make a bucket with object lock, or leave `retain` out."


class Sending:
    """A context in which one object is made; without `publish` nothing of it stays. Raises as Bucket, and Taken."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        """`key` is the object's whole one."""
        self._bucket = bucket
        self._key = key
        self._sizes = sizes(bucket.settings.part_bytes)
        self._until = bucket.until(datetime.now(UTC))
        # By which this store is known among others, also after an answer that was lost on its way.
        self._mark = uuid4().hex
        self._upload: str | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._under_way: deque[Future[Part]] = deque()
        self._sent: list[Part] = []
        self._begun = 0
        self._size = next(self._sizes)
        self._part = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Wait for what is under way, and abort what is not published."""
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
        if self._upload is not None:
            # What cannot be aborted now is a leftover, which the next run finds; the first error is the one to tell.
            with suppress(Refused, Lost, Unusable):
                uploads.abort(self._bucket, self._key, self._upload)

    def write(self, chunk: Buffer) -> None:
        """Append a chunk, which is done with when this returns."""
        with memoryview(chunk) as view, view.cast("B") as octets:
            at = 0
            while at < octets.nbytes:
                if len(self._part) == self._size:
                    self._send()
                take = min(self._size - len(self._part), octets.nbytes - at)
                self._part += octets[at : at + take]
                at += take

    def publish(self) -> int:
        """Give the object its key, and return its size as the server tells it."""
        if self._upload is not None:
            self._submit()
            while self._under_way:
                self._settle()
        self._refuse_if_taken()
        size = sum(part.size for part in self._sent) or len(self._part)
        try:
            if self._upload is None:
                sha256 = hashlib.sha256(self._part).digest()
                making = self._bucket.making(self._mark, self._until)
                hold(self._bucket.put(self._key, self._part, sha256, making), self._part, sha256)
            else:
                uploads.complete(self._bucket, self._key, self._upload, self._sent)
        except Refused as error:
            if error.code not in _SECOND_HAND or not self._ours(error):
                raise
        except Unusable:
            self._take_back()
            raise
        self._upload = None
        return self._proven(size)

    def _send(self) -> None:
        """Send the part that is full, and make room for the next."""
        if self._upload is None:
            self._refuse_if_taken()
            self._upload = uploads.begin(self._bucket, self._key, self._mark, self._until)
            self._workers = ThreadPoolExecutor(flight(1), thread_name_prefix="vmbackup-s3")
        self._submit()
        size = next(self._sizes, None)
        if size is None:
            raise Unusable(
                f"it is larger than {PARTS:,} parts of {self._bucket.settings.part_size} MiB hold",
                "Set a larger `part-size`, or leave it out.",
            )
        self._size = size

    def _submit(self) -> None:
        if self._workers is None or self._upload is None:
            raise RuntimeError("parts are sent once an upload is begun")
        while len(self._under_way) >= flight(self._size):
            self._settle()
        self._begun += 1
        arguments = (self._bucket, self._key, self._upload, self._begun, self._part)
        self._under_way.append(self._workers.submit(uploads.send, *arguments))
        self._part = bytearray()

    def _settle(self) -> None:
        self._sent.append(self._under_way.popleft().result())

    def _refuse_if_taken(self) -> None:
        if self._bucket.head(self._key) is not None:
            raise Taken

    def _ours(self, error: Refused) -> bool:
        """Whether a request was refused only because the one before it, whose answer was lost, has succeeded."""
        found = self._bucket.head(self._key)
        if found is not None and found.mark == self._mark:
            return True
        if found is not None and error.code in TAKEN:
            raise Taken from error
        return False

    def _proven(self, size: int) -> int:
        """See that the object is this one, whole, and locked if it is to be. What is not, is taken back."""
        found = self._bucket.head(self._key)
        if found is not None and found.mark != self._mark:
            raise Taken
        try:
            self._hold(found, size)
            if found is not None and self._until is not None:
                self._lock(found, self._until)
        except (Refused, Unusable):
            self._take_back(found)
            raise
        return size

    def _hold(self, found: Found | None, size: int) -> None:
        if found is None or found.size != size:
            held = f"{found.size:,}" if found else "nothing"
            raise Unusable(f"{size:,} bytes were sent, and the server has {held}")
        if self._sent:
            hold_whole(found.answer, self._sent)

    def _lock(self, found: Found, until: datetime) -> None:
        """Lock it where the server has not done so: Ceph passes over what was said when an upload was begun."""
        if not self._is_locked(found, until):
            self._bucket.retain(self._key, found.version, until)
            again = self._bucket.head(self._key)
            if again is None or not self._is_locked(again, until):
                raise Unusable("the server was asked to lock it, and has not", _NO_LOCK)

    def _is_locked(self, found: Found, until: datetime) -> bool:
        enough = {"COMPLIANCE", self._bucket.settings.retain_mode.upper()}
        return found.locked is not None and found.locked >= until and found.lock_mode in enough

    def _take_back(self, found: Found | None = None) -> None:
        """Remove what was published and is not what it should be."""
        with suppress(Refused, Lost, Unusable):
            found = found or self._bucket.head(self._key)
            if found is not None and found.mark == self._mark:
                self._bucket.remove(self._key, found.version)
