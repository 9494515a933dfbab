"""The five ways of exporting, each with a world that tests borrow one after the other."""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.world import MIB, World, job

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

XVA = ("xva", "xva.gz", "xva.zst")
WAYS = {
    "xva": "",
    "xva.gz": 'compress = { with = "gzip", when = "host" }',
    "xva.zst": 'compress = { with = "zstd", when = "host" }',
    "raw": 'method = "vdi-export"',
    "vhd": 'method = "vhd"',
}
SIZE = 5 * MIB  # of the disk that every way exports; its three blocks of 2 MiB, the last one half, all hold data
_VHD_BLOCK = 2 * MIB
_VHD = '\n[methods.vhd]\ntype = "vdi-export"\nformat = "vhd"\n'


def path_of(way: str) -> str:
    """The handler that a way asks."""
    return "/export" if way in XVA else "/export_raw_vdi"


@dataclass
class Lending:
    """Lends a world with a good backup by a way, whose transfers may stand still for one second.

    A world comes back only when nothing failed in it, so that no test sees what another one broke.
    """

    folder: Path
    open: contextlib.ExitStack
    idle: dict[str, World] = field(default_factory=dict)
    made: int = 0

    @contextlib.contextmanager
    def world(self, way: str) -> Iterator[World]:
        world = self.idle.pop(way, None) or self._make(way)
        yield world
        world.pool.faults.clear()
        self.idle[way] = world

    def _make(self, way: str) -> World:
        self.made += 1
        folder = self.folder / str(self.made)
        folder.mkdir()
        pool = self.open.enter_context(Simulator(folder / "pool", password="canary-7Qx4"))
        pool.add_vm("web 01", [DiskSpec(SIZE, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)])
        world = World(folder, pool)
        world.configure(job("web*", more=f'{WAYS[way]}\nstall = "1s"') + _VHD)
        world.init_target()
        assert exit_code(world.run()) == 0
        return world


def vhd_content(image: bytes, size: int) -> bytes:
    """The disk in a dynamic VHD whose block table follows its header, read by the format's description alone."""
    disk = bytearray(size)
    for block in range(-(-size // _VHD_BLOCK)):
        (sector,) = struct.unpack_from(">I", image, 2048 + 4 * block)
        if sector != 0xFFFFFFFF:  # a hole
            start = (sector + 1) * 512  # behind the sector bitmap
            length = min(_VHD_BLOCK, size - block * _VHD_BLOCK)
            disk[block * _VHD_BLOCK : block * _VHD_BLOCK + length] = image[start : start + length]
    return bytes(disk)
