"""The headers of a tar as XAPI writes it: V7, regular files only (xapi: tar_helpers.ml; mirage: ocaml-tar)."""

import re
from dataclasses import dataclass

BLOCK = 512
ZEROS = bytes(BLOCK)

# Only these two spellings: a checksum field does not count in its own sum, so every other one could be damage.
_CHECKSUM = re.compile(rb"([0-7]{7})\0|([0-7]{6})\0 ")
_SIZE = re.compile(rb"([0-7]{11})[\0 ]")
_NAME = re.compile(rb"[!-~]+")
_REGULAR = b"\0", b"0"
_OTHER = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"5": "a folder",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a GNU sparse file",
    b"x": "a pax header",
    b"g": "a pax header",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside the tar; `size` in bytes, without padding."""

    name: str
    size: int

    @property
    def padding(self) -> int:
        """The zero bytes that follow the content, up to the next block."""
        return -self.size % BLOCK


def read_header(block: bytes) -> Member | None:
    """Read a block of 512 bytes; None is the end mark's block of zeros. Raises ValueError with what is wrong."""
    if block == ZEROS:
        return None
    claimed = _CHECKSUM.fullmatch(block, 148, 156)
    if not claimed or int(claimed[1] or claimed[2], 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError("a tar header is due, but its checksum is wrong")
    if block[156:157] not in _REGULAR:
        kind = _OTHER.get(block[156:157], f"of type {block[156:157]!r}")
        raise ValueError(f"a tar member is {kind}, not a regular file")
    size = _SIZE.fullmatch(block, 124, 136)
    if not size:
        raise ValueError(f"a tar member has the size {block[124:136]!r}, which is no octal number")
    name = block[:100].rstrip(b"\0")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a tar member has the name {name!r}")
    if block[157:].strip(b"\0"):
        raise ValueError(f"the tar header of {name.decode()} has fields that no host writes")
    return Member(name.decode(), int(size[1], 8))
