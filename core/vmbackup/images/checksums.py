"""The checksum members of an XVA: `.xxhash` from Citrix Hypervisor 8.1 on, `.checksum` before (xapi: stream_vdi.ml)."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

import xxhash
from typing_extensions import Buffer


class Hasher(Protocol):
    """What hashlib and xxhash have in common."""

    def update(self, data: Buffer, /) -> None:
        """Take more of the content."""

    def digest(self) -> bytes:
        """Return the checksum of what was taken."""
        ...

    def hexdigest(self) -> str:
        """Return it in lower-case hex."""
        ...


# The length of each kind's text in bytes.
LENGTHS: Mapping[str, int] = {".xxhash": 16, ".checksum": 40}


def hasher(suffix: str) -> Hasher:
    """Start the checksum that members with this suffix hold."""
    return xxhash.xxh64() if suffix == ".xxhash" else hashlib.sha1(usedforsecurity=False)


def written(suffix: str, checksum: Hasher) -> bytes:
    """Return a checksum as its member holds it."""
    text = checksum.hexdigest()
    return (text.upper() if suffix == ".xxhash" else text).encode()
