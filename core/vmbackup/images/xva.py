"""The XVA: a tar of `ova.xml` and of every disk's blocks, each with its checksum (xapi: export.ml, stream_vdi.ml)."""

import re
from collections.abc import Callable, Mapping

from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images.blocks import Blocks
from vmbackup.images.check import DiskEvidence, Evidence, Sink
from vmbackup.images.checksums import LENGTHS, hasher, written
from vmbackup.images.ova import Ova, OvaDisk, read_ova
from vmbackup.images.sequential import Reading, SequentialCheck
from vmbackup.images.tar_header import BLOCK, ZEROS, Member, read_header

OVA_LIMIT = 64 << 20
# Hosts write 1 MiB. More is allowed for, but not so much that a header could claim anything.
BLOCK_LIMIT = 16 << 20

_BLOCK_NAME = re.compile(r"(Ref:[0-9]+)/([0-9]{8})(\.xxhash|\.checksum)?")


class XvaCheck(SequentialCheck):
    """Follows the importer's rules to the byte; stricter where a whole archive and a damaged one could look alike.

    What it cannot see: that a block in the middle of a disk is gone together with its checksum, which is how the format
    writes zeros (the digest of the blocks differs), and damage inside the text of `ova.xml`, which has no checksum.
    """

    def __init__(self, expected: Mapping[str, int] | None = None, sinks: Mapping[str, Sink] | None = None) -> None:
        """`expected` are the disks that must be in it, no more and no fewer: virtual size in bytes by VDI uuid.

        `sinks` are given the data of disks, by VDI uuid, too; the other disks are only read.
        """
        super().__init__()
        self._sinks = sinks or {}
        self._expected = expected
        self._folders: frozenset[str] = frozenset()
        self._unit = 0
        self._suffixes = tuple(LENGTHS)

    def _read(self) -> Reading[Evidence]:
        ova = yield from self._ova()
        self._folders = frozenset(disk.folder for disk in ova.disks)
        seen: dict[str, DiskEvidence] = {}
        # By the bytes of the folder's name: Ref:10 comes before Ref:9.
        for disk in sorted(ova.disks, key=lambda disk: disk.folder):
            seen[disk.folder] = yield from self._disk(disk)
        if member := (yield from self._member()):
            raise self._fault(f"{member.name} stands behind the last block of the last disk")
        yield from self._end()
        return Evidence("xva", self.position, tuple(seen[disk.folder] for disk in ova.disks))

    def _ova(self) -> Reading[Ova]:
        if not (yield from self._more()):
            raise self._fault("the stream is empty")
        member = yield from self._member()
        if member is None or member.name != "ova.xml":
            raise self._fault(f"an XVA begins with ova.xml, not with {member.name if member else 'its end'}")
        if member.size > OVA_LIMIT:
            raise self._fault(f"ova.xml claims to have {member.size:,} bytes; {OVA_LIMIT:,} are allowed")
        start = self.position
        ova = read_ova((yield from self._take(member.size)), start)
        yield from self._padding(member)
        if ova.version.export_vsn < 2:  # noqa: PLR2004 - the number of the format, from XenServer 4.1 on
            raise self._fault(
                f"an XVA with export_vsn {ova.version.export_vsn} is from before XenServer 4.1: not supported"
            )
        if complaint := unlike(ova, self._expected):
            raise self._fault(complaint)
        return ova

    def _member(self) -> Reading[Member | None]:
        """Read the next header, and make sure that there is one."""
        if not (yield from self._more()):
            raise self._fault(f"no end mark: the stream ends behind {self._place}")
        behind, self._place = self._place, f"the tar header behind {self._place}"
        header = yield from self._take(BLOCK)
        if header.startswith(b"HTTP/1."):
            raise self._fault(f"no tar header behind {behind}", header)
        try:
            member = read_header(header)
        except ValueError as error:
            raise self._fault(f"behind {behind}: {error}", header) from None
        self._place = member.name if member else "the end mark"
        return member

    def _padding(self, member: Member) -> Reading[None]:
        padding = yield from self._take(member.padding)
        if padding.strip(b"\0"):
            raise self._fault(f"the padding behind {member.name} is not zero", padding)

    def _disk(self, disk: OvaDisk) -> Reading[DiskEvidence]:
        """Read the blocks of one disk as the importer does: numbers count blocks, not offsets.

        A gap in the numbers stands for so many blocks of zeros. A block without bytes only uses up a number: hosts send
        it when they have been silent for long. A disk of 0 bytes has no blocks at all.
        """
        blocks = Blocks(disk.uuid, disk.virtual_size, self._sinks.get(disk.uuid))
        last, offset = -1, 0
        while offset < disk.virtual_size:
            number, member = yield from self._next_block(disk, last, offset)
            self._unit = self._unit or member.size
            offset += (number - last - 1) * self._unit
            if offset + member.size > disk.virtual_size:
                raise self._fault(f"block {member.name} reaches beyond the end of {named(disk)}")
            if offset == disk.virtual_size:
                raise self._fault(f"{named(disk)} ends with the empty block {member.name}: its last is missing")
            checksum = yield from self._block(member, blocks.takers(offset))
            if member.size:
                blocks.add(offset, member.size, checksum)
            last, offset = number, offset + member.size
        return blocks.evidence()

    def _next_block(self, disk: OvaDisk, last: int, offset: int) -> Reading[tuple[int, Member]]:
        """Read the header of the disk's next block, which comes after number `last`."""
        member = yield from self._member()
        if member is None:
            raise self._short(disk, last, offset, "the end mark")
        name = _BLOCK_NAME.fullmatch(member.name)
        if not name or name[1] not in self._folders:
            raise self._fault(f"{member.name} belongs to no disk that ova.xml names")
        if name[3]:
            raise self._fault(f"the checksum {member.name} stands without its block")
        if name[1] != disk.folder:
            raise self._short(disk, last, offset, member.name)
        number = int(name[2])
        if number <= last:
            raise self._fault(f"block {member.name} comes after number {last:08}: the numbers must rise")
        if last < 0 and (number or not member.size):
            raise self._fault(f"{named(disk)} begins with {member.name} of {member.size:,} bytes: its first is missing")
        if member.size > BLOCK_LIMIT:
            raise self._fault(f"block {member.name} claims to have {member.size:,} bytes; {BLOCK_LIMIT:,} are allowed")
        return number, member

    def _short(self, disk: OvaDisk, last: int, offset: int, found: str) -> ImageError:
        if last < 0:
            return self._fault(f"{named(disk)} is missing: {found} stands in its place")
        return self._fault(f"{named(disk)} ends at {offset:,} of {disk.virtual_size:,} bytes: {found} follows")

    def _block(self, member: Member, takers: tuple[Callable[[Buffer], object], ...]) -> Reading[bytes]:
        """Read a block, whose pieces go to the takers, and the checksum that must follow it; return the checksum."""
        # Which kind follows is known from the first one on: no host changes it within an archive.
        hashers = {suffix: hasher(suffix) for suffix in self._suffixes}
        yield from self._pour(member.size, *(each.update for each in hashers.values()), *takers)
        yield from self._padding(member)
        follower = yield from self._member()
        suffix = follower.name.removeprefix(member.name) if follower else ""
        if follower is None or suffix not in LENGTHS:
            raise self._fault(f"block {member.name} is not followed by its checksum")
        if suffix not in hashers:
            raise self._fault(f"{follower.name}: the kind of the checksums changes within the archive")
        if follower.size != LENGTHS[suffix]:
            raise self._fault(f"the checksum {follower.name} has {follower.size:,} bytes")
        text = yield from self._take(follower.size)
        if text != written(suffix, hashers[suffix]):
            raise self._fault(f"block {member.name} does not match its checksum ({suffix[1:]})", text)
        yield from self._padding(follower)
        self._suffixes = (suffix,)
        return hashers[suffix].digest()

    def _end(self) -> Reading[None]:
        """Read the second half of the end mark, behind which nothing may follow."""
        rest = yield from self._take(BLOCK)
        if rest != ZEROS:
            raise self._fault("the end mark is incomplete", rest)
        yield from self._nothing_more("the end mark")


def named(disk: OvaDisk) -> str:
    """Return how messages call a disk."""
    return f"disk {disk.folder} (uuid {disk.uuid})"


def unlike(ova: Ova, expected: Mapping[str, int] | None) -> str:
    """Return in what `ova` is not the description of one VM with exactly the expected disks, or ""."""
    if not any(ova.of_class("VM")):
        return "ova.xml describes no VM"
    found = {disk.uuid: disk for disk in ova.disks}
    if len(found) < len(ova.disks):
        return "ova.xml gives one uuid to several disks"
    if expected is None:
        return ""
    for uuid, size in expected.items():
        disk = found.pop(uuid, None)
        if disk is None:
            return f"the disk with uuid {uuid} is missing in ova.xml"
        if disk.virtual_size != size:
            return f"{named(disk)} has {disk.virtual_size:,} bytes in ova.xml; {size:,} were expected"
    return "".join(f"{named(disk)} is not one of the disks that were expected" for disk in list(found.values())[:1])
