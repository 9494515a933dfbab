"""Putting a disk together from an archive's chunks, by the importer's rules (stream_vdi.ml)."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xxhash

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.incoming import Member, Reader, content, next_member
from vmbackup.simulator.sparse import is_zero

_NUMBER = re.compile(r"\d{8}")


@dataclass(slots=True)
class Receiver:
    """Reads disks one after another; the length of the archive's first chunk is the unit of all gaps."""

    reader: Reader
    force: bool
    step: Callable[[int], None]
    unit: int = 0

    def disk(self, folder: str, size: int, path: Path) -> None:
        """Read the chunks of one disk into an empty sparse file.

        Raises XapiError: a foreign member, a number that does not rise, too much or too little data, a wrong checksum.
        """
        last, offset = -1, 0
        with path.open("r+b") as file:
            while offset < size:
                member = next_member(self.reader)
                number = _chunk_number(member, folder)
                if number <= last or (last < 0 and number):
                    raise XapiError("IMPORT_ERROR", f"expected suffix to have increased: {member.name}")
                self.unit = self.unit or member.size
                gap = (number - last - 1) * self.unit
                if offset + gap + member.size > size:
                    raise XapiError("IMPORT_ERROR", f"data beyond the end of the disk: {member.name}")
                data = content(self.reader, member)
                self._verify(member, data)
                if not is_zero(memoryview(data)):
                    os.pwrite(file.fileno(), data, offset + gap)
                offset += gap + member.size
                last = number
                self.step(gap + member.size)

    def _verify(self, chunk: Member, data: bytes) -> None:
        member = next_member(self.reader)
        if member.name == f"{chunk.name}.xxhash":
            expected = xxhash.xxh64(data).hexdigest().upper()
        elif member.name == f"{chunk.name}.checksum":
            expected = hashlib.sha1(data).hexdigest()  # noqa: S324  the format's own digest
        else:
            raise XapiError("IMPORT_ERROR_UNEXPECTED_FILE", f"{chunk.name}.xxhash", member.name)
        if content(self.reader, member).decode("latin-1") != expected and not self.force:
            raise XapiError("IMPORT_ERROR_SOME_CHECKSUMS_FAILED")


def _chunk_number(member: Member, folder: str) -> int:
    prefix, _, suffix = member.name.rpartition("/")
    if prefix != folder or not _NUMBER.fullmatch(suffix):
        raise XapiError("IMPORT_ERROR_UNEXPECTED_FILE", folder, member.name)
    return int(suffix)
