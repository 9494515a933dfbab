"""A run that dies while it makes a snapshot, and the next one that finds its journal."""

import time
from pathlib import Path

from tests.core.xapi.pool import RUN

from vmbackup.errors import VmbackupError
from vmbackup.journal import Journal, dead_journals
from vmbackup.models import VM
from vmbackup.simulator import Simulator
from vmbackup.xapi.marks import OWNER, mark
from vmbackup.xapi.session import Session
from vmbackup.xapi.unmake import unmake
from vmbackup.xapi.wire import texts

NAME = f"vmbackup-{RUN}-000000000000"
TEMPLATE = False


def reconcile(session: Session, folder: Path) -> list[VmbackupError]:
    """What the next run does with the journals of the dead."""
    return [failure for journal in dead_journals(folder) for failure in unmake(session, journal, journal.open)]


def occupy(sim: Simulator, vm: VM, operations: dict[str, str]) -> None:
    """Let operations be under way on a VM and on its first disk, or none."""
    with sim.editing() as pool:
        pool.db.set("VM", vm.ref, current_operations=operations)
        pool.db.set("VDI", vm.disks[0].ref, current_operations=operations)


class Dying:
    """Makes a VM's snapshot by hand, step by step, so that a test can stop behind each."""

    def __init__(self, session: Session, journal: Journal, vm: VM) -> None:
        self.session = session
        self.journal = journal
        self.vm = vm
        self.intent = journal.intend("vm-snapshot", name=NAME, source=vm.uuid)
        self.ref = ""
        self.disks: dict[str, str] = {}

    def call(self) -> None:
        self.ref = str(self.session.call("VM.snapshot", self.vm.ref, NAME))
        for vbd in texts(self.session.record("VM", self.ref), "VBDs"):
            drive = self.session.record("VBD", vbd)
            if drive["type"] == "Disk":
                self.disks[str(drive["VDI"])] = str(self.session.record("VDI", str(drive["VDI"]))["uuid"])

    def learn(self) -> None:
        uuid = str(self.session.record("VM", self.ref)["uuid"])
        self.journal.learn(self.intent, uuid=uuid, disks=list(self.disks.values()))

    def mark_vm(self) -> None:
        mark(self.session, "VM", self.ref, RUN)

    def unmark_vm_halfway(self) -> None:
        self.session.call("VM.remove_from_other_config", self.ref, OWNER)

    def mark_first_disk(self) -> None:
        mark(self.session, "VDI", next(iter(self.disks)), RUN)

    def mark_disks(self) -> None:
        for disk in self.disks:
            mark(self.session, "VDI", disk, RUN)

    def rename(self) -> None:
        self.session.call("VM.set_name_label", self.ref, self.vm.name)

    def no_template(self) -> None:
        self.session.call("VM.set_is_a_template", self.ref, TEMPLATE)

    def destroy_vm(self) -> None:
        self.session.call("VM.destroy", self.ref)

    def destroy_one_disk(self) -> None:
        self.session.call("VDI.destroy", next(iter(self.disks)))

    def destroy_disks(self) -> None:
        for disk in self.disks:
            self.session.call("VDI.destroy", disk)


class DyingDisk:
    """Makes a disk's snapshot by hand, step by step."""

    def __init__(self, session: Session, journal: Journal, vm: VM, before: list[str]) -> None:
        self.session = session
        self.journal = journal
        self.disk = vm.disks[0]
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        self.intent = journal.intend("disk-snapshot", source=self.disk.uuid, before=before, at=at)
        self.ref = ""

    def call(self) -> None:
        self.ref = str(self.session.call("VDI.snapshot", self.disk.ref, {}))

    def learn(self) -> None:
        self.journal.learn(self.intent, disks=[str(self.session.record("VDI", self.ref)["uuid"])])

    def mark(self) -> None:
        mark(self.session, "VDI", self.ref, RUN)

    def destroy(self) -> None:
        self.session.call("VDI.destroy", self.ref)

    def destroy_source(self) -> None:
        for vbd in texts(self.session.record("VDI", self.disk.ref), "VBDs"):
            self.session.call("VBD.unplug", vbd)
        self.session.call("VDI.destroy", self.disk.ref)
