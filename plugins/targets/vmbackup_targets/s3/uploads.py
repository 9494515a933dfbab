"""Uploads in parts: begun, sent, completed or aborted, and those that nobody has ended."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vmbackup_targets.s3.bucket import Bucket, answer_of, pages
from vmbackup_targets.s3.checksums import Answer, Part, encoded, hold, told
from vmbackup_targets.s3.client import ask
from vmbackup_targets.s3.trouble import Refused, Unusable

# What servers say of an upload that is over: AWS the first, Ceph the second where its parts are asked for.
_GONE: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
# A part that was under way while its upload was aborted may still arrive (API Reference, AbortMultipartUpload).
_ABORTS: Final = 3


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that was begun and not ended, by its object's whole key; `modified` is UTC."""

    key: str
    upload: str
    size: int
    modified: datetime


def begin(bucket: Bucket, key: str, mark: str, until: datetime | None) -> str:
    """Begin one and return its id."""
    making = bucket.making(mark, until)
    if bucket.settings.checksum == "sha256":
        making["ChecksumAlgorithm"] = "SHA256"
    answer = ask(bucket.client.create_multipart_upload, Bucket=bucket.name, Key=key, **making)
    return str(answer["UploadId"])


def send(bucket: Bucket, key: str, upload: str, number: int, body: bytearray) -> Part:
    """Send a part. Raises Unusable if the server says that it holds something else."""
    sha256 = hashlib.sha256(body).digest()
    words = {"Bucket": bucket.name, "Key": key, "UploadId": upload, "PartNumber": number}
    words |= told(bucket.settings.checksum, body, sha256)
    answer = answer_of(ask(bucket.client.upload_part, Body=body, **words))
    hold(answer, body, sha256)
    return Part(number, answer.etag, sha256, answer.sha256 is not None, len(body))


def complete(bucket: Bucket, key: str, upload: str, parts: Sequence[Part]) -> Answer:
    """Make the object of its parts, unless there is one and the server minds."""
    words = {"Bucket": bucket.name, "Key": key, "UploadId": upload}
    made_of = {"Parts": [_named(part) for part in parts]}
    return answer_of(bucket.unless_there(bucket.client.complete_multipart_upload, MultipartUpload=made_of, **words))


def _named(part: Part) -> dict[str, Any]:
    checksum = {"ChecksumSHA256": encoded(part.sha256)} if part.reported else {}
    return {"PartNumber": part.number, "ETag": part.etag, **checksum}


def abort(bucket: Bucket, key: str, upload: str) -> None:
    """Abort one, with all of its parts; one that is gone is no error."""
    for _ in range(_ABORTS):
        try:
            ask(bucket.client.abort_multipart_upload, Bucket=bucket.name, Key=key, UploadId=upload)
        except Refused as error:
            if error.code not in _GONE:
                raise
        if _size_and_time(bucket, key, upload) is None:
            return
    raise Unusable(
        "the upload is aborted, and its parts stay", "Abort it on the server, or by a rule of its lifecycle."
    )


def unfinished(bucket: Bucket, prefix: str) -> Iterator[Unfinished]:
    """All whose keys begin with `prefix`."""
    markers = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
    for page in pages(bucket.client.list_multipart_uploads, markers, bucket.name, {"Prefix": prefix}):
        for one in page.get("Uploads", []):
            key, upload = str(one["Key"]), str(one["UploadId"])
            found = _size_and_time(bucket, key, upload)
            if found is not None and key.startswith(prefix):
                size, written = found
                begun = one["Initiated"].astimezone(UTC)
                yield Unfinished(key, upload, size, max(begun, written) if written else begun)


def _size_and_time(bucket: Bucket, key: str, upload: str) -> tuple[int, datetime | None] | None:
    """The bytes of all parts of an upload and when the last came; None if it is gone."""
    size, latest = 0, None
    markers = {"PartNumberMarker": "NextPartNumberMarker"}
    try:
        for page in pages(bucket.client.list_parts, markers, bucket.name, {"Key": key, "UploadId": upload}):
            for part in page.get("Parts", []):
                size += int(part["Size"])
                written = part["LastModified"].astimezone(UTC)
                latest = max(latest, written) if latest else written
    except Refused as error:
        if error.code in _GONE:
            return None
        raise
    return size, latest
