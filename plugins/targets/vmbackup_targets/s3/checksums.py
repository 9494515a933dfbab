"""What a server says that it holds, held against what it was sent.

Servers report the SHA-256 of a body where they know that header, and else as its ETag the MD5, if nothing is encrypted
by a key service (Amazon S3 API Reference, "Object", ETag).
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vmbackup import Buffer
from vmbackup_targets.s3.trouble import Unusable

_MD5: Final = re.compile(r"[0-9a-f]{32}")
_DAMAGED: Final = "Something between here and the server's disks changes bytes: look there before you trust either."


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server reports of a body or of a whole object. `etag` is as it came, in quotes."""

    etag: str
    sha256: str | None = None
    keyed: bool = False
    """Encrypted by a key service, so that the ETag says nothing of the content."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that lies on the server, proven."""

    number: int
    etag: str
    sha256: bytes
    reported: bool
    """Whether the server told its SHA-256 itself, and so wants to hear it again."""
    size: int


def encoded(digest: bytes) -> str:
    """A digest in the way that the headers take it."""
    return base64.b64encode(digest).decode()


def told(kind: str, body: Buffer, sha256: bytes) -> dict[str, str]:
    """What is said of a body, of which `sha256` is the digest, in botocore's words; `kind` as in the settings."""
    if kind == "md5":
        return {"ContentMD5": encoded(hashlib.md5(body, usedforsecurity=False).digest())}
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": encoded(sha256)}


def hold(answer: Answer, sent: Buffer, sha256: bytes) -> None:
    """Raise Unusable if `answer` is about other bytes than `sent`, of which `sha256` is the digest."""
    etag = answer.etag.strip('"')
    if answer.sha256 is not None:
        _same("SHA-256", answer.sha256, encoded(sha256))
    elif not answer.keyed and _MD5.fullmatch(etag):
        _same("MD5", etag, hashlib.md5(sent, usedforsecurity=False).hexdigest())


def hold_whole(answer: Answer, parts: Sequence[Part]) -> None:
    """Raise Unusable if the object is not made of just these parts, in this order.

    S3 reports the digest of the parts' digests, and their number.
    """
    if answer.sha256 is not None and all(part.reported for part in parts):
        told, _, number = answer.sha256.partition("-")
        _same("SHA-256 of its parts' SHA-256", told, encoded(_over(part.sha256 for part in parts)))
        _same("number of parts", number or str(len(parts)), str(len(parts)))
        return
    told, _, number = answer.etag.strip('"').partition("-")
    etags = [part.etag.strip('"') for part in parts]
    if number and not answer.keyed and _MD5.fullmatch(told) and all(map(_MD5.fullmatch, etags)):
        digest = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False).hexdigest()
        _same("MD5 of its parts' MD5", f"{told}-{number}", f"{digest}-{len(parts)}")


def _over(digests: Iterable[bytes]) -> bytes:
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(digest)
    return whole.digest()


def _same(what: str, told: str, sent: str) -> None:
    if told != sent:
        raise Unusable(f"the server holds other bytes than it was sent: {what} {told}, and {sent} was sent", _DAMAGED)
