"""A simulated pool in a process of its own, so that what it takes of the processors is nobody else's."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.world import World, command

from vmbackup.simulator import DiskSpec, Simulator


@dataclass(frozen=True)
class ServedPool:
    """The world around a pool, and the process that serves it."""

    world: World
    process: int

    def processor(self) -> float:
        """Return the seconds of processor time that the pool has taken so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def pool_in_its_own_process(folder: Path, disk: DiskSpec) -> Iterator[ServedPool]:
    """Make a pool with the halted VM `big`, and serve it from another process."""
    simulator = Simulator(folder / "pool")
    simulator.add_vm("big", [disk], power_state="Halted")
    simulator.stop()
    process = subprocess.Popen(
        command("simulate", "--data", str(folder / "pool"), "--listen", "127.0.0.1:0"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    simulator_url = next(word for word in process.stdout.readline().split() if word.startswith("https://")).rstrip(",")
    world = World(folder, _Served(simulator, simulator_url))  # type: ignore[arg-type]
    try:
        yield ServedPool(world, process.pid)
    finally:
        process.terminate()
        process.wait()


class _Served:
    """What a World needs to know of a pool that another process serves."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.url = url
        self.fingerprint = simulator.fingerprint
        self.username = simulator.username
        self.password = simulator.password
