"""Whether an SR can bear one more snapshot, asked before the snapshot is. Pure.

XAPI says no only when it is too late: with a full SR the guests stop, and a chain that is at its end stays so for hours
(sm: cleanup.py). So there is a margin before both.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from vmbackup.models import SR, Disk


@dataclass(frozen=True, slots=True)
class Margin:
    """How far from the ends of an SR snapshots stop: images in a chain, and what stays free.

    `free` is in bytes, or a share of the SR's size below 1. The storage's own end is 30 images (sm: MAX_CHAIN_SIZE).
    """

    chain: int = 28
    free: float = 0.02

    def kept_free(self, sr: SR) -> int:
        """Return the bytes that have to stay free on `sr`."""
        return int(self.free * sr.size) if self.free < 1 else int(self.free)


USUAL_MARGIN = Margin()
# A bitmap of 4 KiB for each block of 2 MiB, tables made for 2 TiB, and volumes that grow by 4 MiB.
BITMAP_SHARE, TABLES, EXTENT = 512, 8 << 20, 4 << 20


def volume(size: int) -> int:
    """Return what an LVM volume takes that holds a VHD of `size` bytes: tables and bitmaps too (sm: lvhdutil.py)."""
    return -(-(size + size // BITMAP_SHARE + TABLES) // EXTENT) * EXTENT


def refusal(disks: Iterable[Disk], margin: Margin) -> tuple[str, str] | None:
    """Return why these disks are not to be snapshotted now, and what to do; None if they may be.

    A thick SR needs a whole new volume for each disk, a thin one next to nothing at once; an SR that does not tell its
    size is believed to have room.
    """
    wanted: dict[SR, int] = defaultdict(int)
    for disk in disks:
        if disk.chain >= margin.chain:
            return (
                f"the chain of the disk {disk.name!r} on {disk.sr.name!r} has {disk.chain} images",
                "Delete old snapshots and let the SR coalesce; pool.snapshots.max-chain is where snapshots stop.",
            )
        wanted[disk.sr] += volume(disk.virtual_size) if disk.sr.thick else 0
    for sr, need in wanted.items():
        kept = margin.kept_free(sr)
        if sr.free is not None and sr.free < need + kept:
            return (
                f"the SR {sr.name!r} has {sr.free:,} bytes free; the snapshot needs {need:,}, and {kept:,} stay free",
                "Free space on the SR; pool.snapshots.keep-free is what has to stay free.",
            )
    return None
