"""The names under which a target stores files: what a key may be, and how names of the pool become part of one."""

import re
import unicodedata
from typing import Final

from vmbackup.errors import KeyRefused

PART: Final = re.compile(r"[A-Za-z0-9_+=-](?:[A-Za-z0-9._+=-]{0,118}[A-Za-z0-9_+=-])?")
KEY_BYTES: Final = 400
SLUG_LENGTH: Final = 80


def check_key(key: str) -> str:
    """Return `key` if every target takes it, else raise KeyRefused.

    Parts of letters, digits and `._+=-`, 120 at most, without a dot at either end, joined by `/`; 400 bytes in all. So
    no key can leave its folder, be hidden, or mean something else on a file system that is not like ours: FAT and
    Windows drop a dot at the end.
    """
    if len(key) > KEY_BYTES or not all(PART.fullmatch(part) for part in key.split("/")):
        raise KeyRefused(f"{key[:200]!r} is not a key that targets take")
    return key


def slug(name: str) -> str:
    """Return a part of a key that reminds a person of `name`: ASCII, 80 characters at most, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")
    return words[:SLUG_LENGTH].strip("-") or "unnamed"


def folder_name(name: str, uuid: str) -> str:
    """Return the folder of a pool or VM: what it is called, and eight digits of its UUID so that two never meet."""
    return f"{slug(name)}--{uuid[:8]}"
