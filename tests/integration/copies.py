"""Whole runs of a job whose method leaves copies in the pool: what stands there, and what there is beside it."""

from dataclasses import dataclass
from pathlib import Path

from tests.integration.world import World, job

from vmbackup.simulator.database import Record
from vmbackup.testing.exporting import without_copies
from vmbackup.testing.site import Records
from vmbackup.xapi.standing import standing

EXAMPLE = Path(__file__).parents[2] / "examples" / "vmbackup-vm-copy" / "vmbackup_vm_copy.py"


@dataclass
class Copies:
    """The copies in the pool of a world, on the SR `sr`; `world` is configured to make them of `web`."""

    world: World
    sr: str

    def configure(self, match: str = "web", *, sr: str = "vault", more: str = "", keep: int = 2) -> None:
        head = f'{self.world.head}\n[methods.vm-copy]\nsr = "{sr}"\n'
        self.world.configure(job(match, keep=keep, more=f'method = "vm-copy"\n{more}'), head=head)

    def vm(self, name: str = "web") -> tuple[str, Record]:
        """A VM that is no copy, with its reference."""
        vms = [(ref, vm) for ref, vm in self.world.pool.records("VM").items() if not vm["is_a_snapshot"]]
        (found,) = [(ref, vm) for ref, vm in vms if vm["name_label"] == name]
        return found

    def standing(self) -> dict[str, Record]:
        """The copies that are marked as proven, by reference."""
        return {ref: vm for ref, vm in self.world.pool.records("VM").items() if standing(vm)}

    def disks(self, vm: Record) -> list[Record]:
        """The VDIs of a VM by position."""
        drives = [self.world.pool.records("VBD")[vbd] for vbd in vm["VBDs"]]
        drives = sorted((one for one in drives if one["type"] == "Disk"), key=lambda one: str(one["userdevice"]))
        return [self.world.pool.records("VDI")[one["VDI"]] for one in drives]

    def whole(self, vm: Record) -> bool:
        """Whether a copy is halted and holds what the VM does, byte for byte, on the other SR."""
        pairs = list(zip(self.disks(vm), self.disks(self.vm()[1]), strict=True))
        there = all(self._on(disk) == self.sr for disk, _ in pairs)
        same = all(self.world.pool.same(str(mine["uuid"]), str(its["uuid"])) for mine, its in pairs)
        return vm["power_state"] == "Halted" and there and same and bool(pairs)

    def _on(self, disk: Record) -> str:
        return str(self.world.pool.records("SR")[str(disk["SR"])]["uuid"])

    def beside(self) -> Records:
        """What the pool holds but for the copies that stand."""
        return without_copies(self.world.records(), {str(self.vm()[1]["uuid"])})[0]
