"""What is counted of a disk's blocks while they pass."""

import xxhash

from vmbackup.images.check import DiskEvidence


class Blocks:
    """Gathers the evidence of one disk, block by block, in the order of the stream."""

    def __init__(self) -> None:
        """Start before the first block."""
        self._digest = xxhash.xxh64()
        self._count = 0
        self._bytes = 0

    def add(self, offset: int, length: int, checksum: bytes) -> None:
        """Count the block of `length` bytes at `offset` of the disk, whose content has this checksum."""
        self._digest.update(offset.to_bytes(8, "big") + checksum)
        self._count += 1
        self._bytes += length

    def evidence(self, uuid: str, virtual_size: int) -> DiskEvidence:
        """Return what was seen of the disk."""
        return DiskEvidence(uuid, virtual_size, self._count, self._bytes, self._digest.hexdigest())
