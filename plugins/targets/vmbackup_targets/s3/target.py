"""A bucket of an S3 server as a target."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from vmbackup import Buffer, Entry, KeyRefused, Leftover, Stored, Target, check_key
from vmbackup_targets.s3 import uploads
from vmbackup_targets.s3.bucket import Bucket
from vmbackup_targets.s3.client import connect
from vmbackup_targets.s3.sending import Sending
from vmbackup_targets.s3.settings import S3Settings
from vmbackup_targets.s3.trouble import Explained, Refused, Unusable


class S3(Target[S3Settings]):
    """A bucket of an S3 server: AWS, Ceph, MinIO, an appliance. Object lock keeps what is stored from everybody.

    A file is sent in parts, of which nobody sees anything before it is complete. Nothing is overwritten where the
    server honours `If-None-Match: *`; where it does not, of two that store one key at the same moment the later wins.
    """

    name = "s3"
    Settings = S3Settings
    _bucket: Bucket | None = None

    def __enter__(self) -> Self:
        """Ask the bucket for one key. Raises TargetError if it is not there, or has no object lock and should."""
        bucket = Bucket(connect(self.settings), self.settings)
        try:
            with self._explained("opened", ""):
                bucket.look(self._whole(""))
                if self.settings.retain is not None:
                    bucket.require_locks()
        except BaseException:
            bucket.client.close()
            raise
        self._bucket = bucket
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the connections."""
        bucket, self._bucket = self._bucket, None
        if bucket is not None:
            bucket.client.close()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Send it in one go, or in parts that are made one object at the end; see `vmbackup_targets.s3.sending`."""
        explained = self._explained("stored", check_key(key))
        with Sending(self._entered(), self._whole(key)) as sending:
            # The source is asked outside of the explanations: its errors are not the target's.
            for chunk in chunks:
                with explained:
                    sending.write(chunk)
            with explained:
                return Stored(key, sending.publish())

    def stat(self, key: str) -> Stored | None:
        """What lies under `key`."""
        with self._explained("looked at", check_key(key)):
            found = self._entered().head(self._whole(key))
        return Stored(key, found.size) if found else None

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB at most, by one request."""
        explained = self._explained("read", check_key(key))
        with closing(self._entered().get(self._whole(key), offset, length)) as pieces:
            while True:
                with explained:
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Objects directly below `prefix`, and what is common to several, as folders."""
        explained = self._explained("listed", check_key(prefix) if prefix else "")
        listing = self._entered().listing(self._whole(f"{prefix}/" if prefix else ""))
        while True:
            with explained:
                one = next(listing, None)
            if one is None:
                return
            key = self._key(one.key.removesuffix("/") if one.size is None else one.key)
            if key is not None:
                yield Entry(key, one.size)

    def delete(self, key: str) -> None:
        """Remove it, and what lies under the same key in earlier versions. Raises TargetError while it is locked."""
        whole, bucket, seen = self._whole(check_key(key)), self._entered(), set[str]()
        with self._explained("deleted", key):
            while (found := bucket.head(whole)) is not None:
                if found.version in seen:
                    raise Unusable(f"the server says that version {found.version} is gone, and still has it")
                try:
                    bucket.remove(whole, found.version)
                except Refused as error:
                    if found.locked is None or found.locked <= datetime.now(UTC):
                        raise
                    raise Refused(error.code, error.status, *_locked(found.locked)) from error
                if found.version is None:
                    return
                seen.add(found.version)

    def locked_until(self, key: str) -> datetime | None:
        """Until when object lock keeps it."""
        with self._explained("looked at", check_key(key)):
            found = self._entered().head(self._whole(key))
        return found.locked if found and found.locked and found.locked > datetime.now(UTC) else None

    def free(self) -> int | None:
        """Nobody knows."""
        return None

    def leftovers(self) -> Iterator[Leftover]:
        """Uploads that were begun and not ended, by the dead and the living alike; the token is the upload's id."""
        explained = self._explained("listed", "")
        found = uploads.unfinished(self._entered(), self._whole(""))
        while True:
            with explained:
                one = next(found, None)
            if one is None:
                return
            key = self._key(one.key)
            if key is not None:
                yield Leftover(key, one.upload, one.size, one.modified)

    def discard(self, leftover: Leftover) -> None:
        """Abort an upload: nothing of it stays, and its writer, if there is one, cannot complete it any more."""
        with self._explained("discarded", check_key(leftover.key)):
            uploads.abort(self._entered(), self._whole(leftover.key), leftover.token)

    def _explained(self, doing: str, key: str) -> Explained:
        return Explained(self.label, doing, key, f"{self.settings.place}/{key}" if key else self.settings.place)

    def _whole(self, key: str) -> str:
        return f"{self.settings.prefix}/{key}" if self.settings.prefix else key

    def _key(self, whole: str) -> str | None:
        """Our key of an object, or None if it is none of ours."""
        try:
            return check_key(whole.removeprefix(self._whole("")))
        except KeyRefused:
            return None

    def _entered(self) -> Bucket:
        if self._bucket is None:
            raise RuntimeError("a target is entered before it is used")
        return self._bucket


def _locked(until: datetime) -> tuple[str, str]:
    return (
        f"it is locked until {until:%Y-%m-%d %H:%M:%S} UTC",
        "Nothing is wrong: the lock that `retain` asked for holds. It can be removed after that date.",
    )
