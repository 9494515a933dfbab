"""`zstd` in the stream of a run against curl and the program zstd, and from file to file against the program alone."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import XenAPI
from benchmarks.contests import MIB, processor
from benchmarks.disk_content import write_disk
from benchmarks.pools import pool_in_its_own_process
from tests.integration.world import World, job

from vmbackup.plan import Task
from vmbackup.registry import Registry
from vmbackup.run import run_job
from vmbackup.simulator import DiskSpec
from vmbackup.watch import Nobody

TOOL = "zstd -T0 -3 -q"


@dataclass(frozen=True)
class Clocks:
    """Seconds: of the wall, of the processor for us and our children, and for the pool."""

    wall: float
    processor: float
    pool: float

    def since(self, before: "Clocks") -> "Clocks":
        """Return what has passed."""
        return Clocks(self.wall - before.wall, self.processor - before.processor, self.pool - before.pool)


@dataclass(frozen=True)
class Packed:
    """What packing the content once has taken, and how many bytes came out."""

    taken: Clocks
    size: int


@dataclass(frozen=True)
class Packing:
    """One line of the table: both sides pack the same content."""

    name: str
    tool: str
    goal: float
    ours: Callable[[], Packed]
    theirs: Callable[[], Packed]


@contextmanager
def packings(folder: Path, size: int) -> Iterator[list[Packing]]:
    """Make a disk of so many bytes, and a pool that has it."""
    disk, out = folder / "disk.raw", folder / "packed"
    write_disk(disk, size)
    with pool_in_its_own_process(folder, DiskSpec(size, source=disk)) as pool, _url(pool.world) as url:
        pool.world.configure(job("big", keep=1, more='compress = { with = "zstd", level = 3 }'))
        pool.world.init_target()

        def clocks() -> Clocks:
            return Clocks(time.monotonic(), processor(), pool.processor())

        def alone(work: Callable[[], object]) -> Packed:
            begun = clocks()
            work()
            taken = clocks().since(begun)
            packed = Packed(taken, out.stat().st_size)
            out.unlink()
            return packed

        yield [
            Packing(
                name="a run over HTTPS",
                tool=f"curl … \\| {TOOL} > file",
                goal=0.9,
                ours=lambda: _by_run(pool.world, clocks),
                theirs=lambda: alone(lambda: _shell(f"curl -sk --http1.1 '{url}' | {TOOL} > '{out}'")),
            ),
            Packing(
                name="file to file",
                tool=TOOL,
                goal=1.0,
                ours=lambda: alone(lambda: _by_plugin(disk, out)),
                theirs=lambda: alone(lambda: _shell(f"{TOOL} '{disk}' -o '{out}'")),
            ),
        ]


@contextmanager
def _url(world: World) -> Iterator[str]:
    """Log in, and give the URL of the VM's image."""
    session = XenAPI.Session(world.pool.url, ignore_ssl=True)
    session.xenapi.login_with_password(world.pool.username, world.pool.password, "1.0", "bench")
    (ref,) = session.xenapi.VM.get_by_name_label("big")
    yield f"{world.pool.url}/export?session_id={session.handle}&ref={ref}"
    session.xenapi.session.logout()


class _Stopwatch(Nobody):
    """Reads the clocks at each step of a backup."""

    def __init__(self, clocks: Callable[[], Clocks]) -> None:
        self._clocks = clocks
        self.at: dict[tuple[str, str], Clocks] = {}

    def step(self, task: Task, name: str) -> None:
        self.at[task.vm.name, name] = self._clocks()


def _by_run(world: World, clocks: Callable[[], Clocks]) -> Packed:
    """Run the job; what counts is from asking for the image until it is flushed and the pool's task is proven."""
    stopwatch = _Stopwatch(clocks)
    report = run_job(world.site(), "test", stopwatch)
    (result,) = report.results
    (outcome,) = result.outcomes
    assert outcome.backup is not None, outcome.failure
    (image,) = (file for file in outcome.backup.manifest.files if file.role == "image")
    return Packed(stopwatch.at["big", "publish"].since(stopwatch.at["big", "export"]), image.size)


def _by_plugin(disk: Path, out: Path) -> None:
    compressor = Registry.installed().compressor("zstd", {"level": 3})
    with disk.open("rb", buffering=0) as file, out.open("wb", buffering=0) as packed:
        for chunk in compressor.compress(iter(lambda: file.read(MIB), b"")):
            packed.write(chunk)


def _shell(words: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", words], check=True)
