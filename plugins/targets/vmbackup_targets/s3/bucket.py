"""The objects of a bucket: one request each, typed, and listings to their end. All raise Refused, Lost and Unusable."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vmbackup import Buffer
from vmbackup_targets.s3.checksums import Answer, told
from vmbackup_targets.s3.client import ask
from vmbackup_targets.s3.settings import S3Settings
from vmbackup_targets.s3.trouble import Missing, Refused, Unusable

PIECE: Final = 1 << 20
_MARK: Final = "vmbackup-store"
_NOTHING: Final = 404
_PART_OF_IT: Final = 206


@dataclass(frozen=True, slots=True)
class Found:
    """An object as its server tells of it; `mark` is that of the store that made it, `locked` until when, in UTC."""

    size: int
    answer: Answer
    mark: str
    version: str | None
    locked: datetime | None
    lock_mode: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object with its size, or what several have in common up to a slash (`size` is None)."""

    key: str
    size: int | None


class Bucket:
    """The objects, by their whole keys."""

    def __init__(self, client: Any, settings: S3Settings) -> None:
        """`client` is botocore's."""
        self.client = client
        self.name = settings.bucket
        self.settings = settings

    def until(self, now: datetime) -> datetime | None:
        """Until when what is stored `now` is to be locked, in whole seconds; None if it is not."""
        if self.settings.retain is None:
            return None
        return (now + self.settings.retain + timedelta(seconds=1)).replace(microsecond=0)

    def making(self, mark: str, until: datetime | None) -> dict[str, Any]:
        """What is said of every object when it is begun."""
        words: dict[str, Any] = {"Metadata": {_MARK: mark}}
        if self.settings.storage_class:
            words["StorageClass"] = self.settings.storage_class
        if self.settings.encryption:
            words["ServerSideEncryption"] = self.settings.encryption
        if self.settings.kms_key:
            words["SSEKMSKeyId"] = self.settings.kms_key
        if until:
            words |= {"ObjectLockMode": self.settings.retain_mode.upper(), "ObjectLockRetainUntilDate": until}
        return words

    def head(self, key: str) -> Found | None:
        """What lies under `key`, or None."""
        try:
            answer = ask(self.client.head_object, Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except Refused as error:
            if error.status == _NOTHING and error.code != "NoSuchBucket":
                return None
            raise
        locked = answer.get("ObjectLockRetainUntilDate")
        return Found(
            size=int(answer["ContentLength"]),
            answer=answer_of(answer),
            mark=answer.get("Metadata", {}).get(_MARK, ""),
            version=answer.get("VersionId"),
            locked=locked.astimezone(UTC) if locked else None,
            lock_mode=answer.get("ObjectLockMode", ""),
        )

    def put(self, key: str, body: Buffer, sha256: bytes, making: Mapping[str, Any]) -> Answer:
        """Store a whole object, unless there is one and the server minds."""
        words = {"Bucket": self.name, "Key": key, **told(self.settings.checksum, body, sha256), **making}
        return answer_of(self.unless_there(self.client.put_object, Body=body, **words))

    def unless_there(self, call: Callable[..., Any], **words: Any) -> Any:
        """Ask for an object to be made unless there is one; of a server that refuses to hear of that, without it."""
        try:
            return ask(call, IfNoneMatch="*", **words)
        except Refused as error:
            if error.code != "NotImplemented":
                raise
            return ask(call, **words)

    def get(self, key: str, offset: int, length: int | None) -> Generator[bytes, None, None]:
        """The bytes from `offset` on, `length` of them or to the end; nothing where there are none. Raises Missing."""
        if length == 0:
            # No range of HTTP is empty.
            if self.head(key) is None:
                raise Missing
            return
        end = "" if length is None else str(offset + length - 1)
        window = {"Range": f"bytes={offset}-{end}"} if offset or length is not None else {}
        try:
            answer = ask(self.client.get_object, Bucket=self.name, Key=key, **window)
        except Refused as error:
            if error.code == "InvalidRange":
                return
            if error.code == "NoSuchKey":
                raise Missing from error
            raise
        with contextlib.closing(answer["Body"]) as body:
            if window and answer["ResponseMetadata"]["HTTPStatusCode"] != _PART_OF_IT:
                raise Unusable("the server was asked for a part of it, and sends the whole")
            while True:
                piece: bytes = ask(body.read, PIECE)
                if not piece:
                    return
                yield piece

    def remove(self, key: str, version: str | None) -> None:
        """Remove an object, or one version of it. In a bucket with versions, None would only hide it."""
        ask(self.client.delete_object, Bucket=self.name, Key=key, **_one(version))

    def retain(self, key: str, version: str | None, until: datetime) -> None:
        """Lock an object that is there already."""
        retention = {"Mode": self.settings.retain_mode.upper(), "RetainUntilDate": until}
        words = {"Bucket": self.name, "Key": key, "Retention": retention, **_one(version)}
        ask(self.client.put_object_retention, **words)

    def require_locks(self) -> None:
        """Raise Unusable unless objects of this bucket can be locked."""
        try:
            ask(self.client.get_object_lock_configuration, Bucket=self.name)
        except Refused as error:
            if error.code != "ObjectLockConfigurationNotFoundError":
                raise
            raise Unusable(
                "`retain` is set, and its objects cannot be locked",
                "Object lock is chosen when a bucket is made: make another, or leave `retain` out.",
            ) from error

    def listing(self, prefix: str) -> Iterator[Listed]:
        """What begins with `prefix`, up to the next slash."""
        words = {"Prefix": prefix, "Delimiter": "/"}
        for page in pages(
            self.client.list_objects_v2, {"ContinuationToken": "NextContinuationToken"}, self.name, words
        ):
            for one in page.get("Contents", []):
                yield Listed(one["Key"], int(one["Size"]))
            for one in page.get("CommonPrefixes", []):
                yield Listed(one["Prefix"], None)

    def look(self, prefix: str) -> None:
        """Ask for one key, to hear what may be wrong: the answer to a HEAD has no room for a reason."""
        ask(self.client.list_objects_v2, Bucket=self.name, Prefix=prefix, MaxKeys=1)


def pages(
    call: Callable[..., Any], markers: Mapping[str, str], bucket: str, words: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Every page of a listing; `markers` says which of the next request's words come from which of the last answer's.

    Raises Unusable if the server says that there is more and not where: a listing is never short.
    """
    more: dict[str, Any] = {}
    while True:
        page: dict[str, Any] = ask(call, Bucket=bucket, **words, **more)
        yield page
        if not page.get("IsTruncated"):
            return
        following = {name: page[told] for name, told in markers.items() if page.get(told)}
        if not following or following == more:
            raise Unusable("the server says that its listing goes on, and not where")
        more = following


def _one(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def answer_of(answer: Mapping[str, Any]) -> Answer:
    """What an answer of the server reports of the content."""
    keyed = str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
    return Answer(answer.get("ETag", ""), answer.get("ChecksumSHA256"), keyed)
