"""Making the objects of an uploaded archive: new or restored VMs, their disks, drives and interfaces (import.ml)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmbackup.simulator import chips, macs
from vmbackup.simulator.calls.storage import new_disk, remove_disk
from vmbackup.simulator.calls.vms import remove_vm
from vmbackup.simulator.database import Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.lifecycle import bad_power_state
from vmbackup.simulator.manuscript import Manuscript
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import EPOCH, NULL

_LINKS = [
    "VBDs",
    "VIFs",
    "VUSBs",
    "VGPUs",
    "VTPMs",
    "crash_dumps",
    "consoles",
    "snapshots",
    "children",
    "attached_PCIs",
]
_NOWHERE = [
    "suspend_VDI",
    "resident_on",
    "scheduled_to_be_resident_on",
    "affinity",
    "snapshot_of",
    "parent",
    "appliance",
    "suspend_SR",
    "snapshot_schedule",
    "protection_policy",
    "metrics",
    "guest_metrics",
]
_TASK = "import_task"  # the key in the other_config of a VM, and of a network that is made, for the import's task
_OF_A_DRIVE = [
    "device",
    "userdevice",
    "bootable",
    "mode",
    "type",
    "unpluggable",
    "empty",
    "other_config",
    "qos_algorithm_type",
    "qos_algorithm_params",
]
_OF_A_DISK = [
    "name_label",
    "name_description",
    "virtual_size",
    "type",
    "sharable",
    "read_only",
    "other_config",
    "xenstore_data",
    "tags",
]
_OF_AN_INTERFACE = [
    "device",
    "MTU",
    "other_config",
    "qos_algorithm_type",
    "qos_algorithm_params",
    "locking_mode",
    "ipv4_allowed",
    "ipv6_allowed",
]


@dataclass(slots=True)
class Restorer:
    """Makes an archive's objects in a pool; `undo` removes all that was made.

    Disks are made too, unless `existing` says which VDI each is (by its id in the archive); a drive of one that it
    does not know is left out.
    """

    pool: Pool
    manuscript: Manuscript
    repository: str
    restore: bool
    task: str
    vms: list[str] = field(default_factory=list)
    disks: dict[str, str] = field(default_factory=dict)
    existing: Mapping[str, str] | None = None
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def make(self) -> None:
        """Make all objects; `vms` then has the VMs' refs and `disks` the VDIs' by their folder in the archive."""
        for name, record in self.manuscript.all("VM").items():
            with self.pool.db.change():
                self._machine(name, record)

    def _machine(self, name: str, record: Record) -> None:
        if self.restore:
            self._make_room(record)
        vm = self._vm(record)
        self.vms.append(vm)
        for drive in self.manuscript.all("VBD").values():
            if drive["VM"] == name:
                self._drive(vm, drive)
        for interface in self.manuscript.all("VIF").values():
            if interface["VM"] == name:
                self._interface(vm, interface)
        self._put_to_sleep(vm, record)
        for chip in self.manuscript.all("VTPM").values():
            if chip["VM"] == name:
                self._chip(vm, chip)

    def undo(self) -> None:
        """Remove what was made, the last first."""
        while self._undo:
            self._undo.pop()()

    def check(self) -> None:
        """Do what a dry run does. Raises XapiError: a VM in the pool is in the way of one that is to be restored."""
        with self.pool.db.changed:
            for record in self.manuscript.all("VM").values() if self.restore else ():
                self._former(record)

    def _make_room(self, record: Record) -> None:
        """Destroy a halted VM of the same uuid, as a full restore does; its disks stay."""
        with self.pool.db.change():
            for vm in self._former(record):
                remove_vm(self.pool, vm)

    def _former(self, record: Record) -> list[str]:
        """Give the VM whose place a VM takes. Raises XapiError when it may not, or another one has its seed."""
        db = self.pool.db
        former = db.find("VM", uuid=record["uuid"])
        for vm in former:
            if db.get("VM", vm)["power_state"] != "Halted":
                raise bad_power_state(vm, ("Halted",), db.get("VM", vm)["power_state"])
        seed = record["other_config"].get(macs.SEED)
        others = [db.get("VM", vm) for vm in db.find("VM", is_a_snapshot=False) if vm not in former]
        if seed and any(other["other_config"].get(macs.SEED) == seed for other in others):
            raise XapiError("DUPLICATE_MAC_SEED", seed)
        return former

    def _vm(self, record: Record) -> str:
        pool = self.pool
        fields = {**record, **{name: [] for name in _LINKS}, **dict.fromkeys(_NOWHERE, NULL)}
        fields.update(power_state="Halted", domid=-1, is_a_snapshot=False, snapshot_time=EPOCH)
        fields.update(current_operations={self.task: "import"}, affinity=self._host(record["affinity"]))
        fields["metrics"] = pool.db.create("VM_metrics", {"install_time": pool.clock.now()})
        if not self.restore:
            fields["uuid"] = ""
            fields["other_config"] = macs.seeded(record["other_config"])
        fields["other_config"] = {**fields["other_config"], _TASK: self.task}
        vm = pool.db.create("VM", fields)
        self._undo.append(lambda: remove_vm(pool, vm))
        return vm

    def _host(self, name: str) -> str:
        record = self.manuscript.all("host").get(name)
        found = self.pool.db.find("host", uuid=record["uuid"]) if record else []
        return found[0] if found else NULL

    def _drive(self, vm: str, drive: Record) -> None:
        fields = {name: drive[name] for name in _OF_A_DRIVE} | {"VM": vm, "VDI": NULL}
        if drive["type"] == "CD":
            fields["VDI"] = self._iso(drive)
            fields["empty"] = fields["VDI"] == NULL
        elif self.existing is not None and drive["VDI"] not in self.existing:
            return
        elif not drive["empty"]:
            fields["VDI"] = self._disk(drive["VDI"])
        self.pool.db.create("VBD", fields)

    def _iso(self, drive: Record) -> str:
        """Find the disc of a CD drive by location or name; without one the drive is empty."""
        wanted = self.manuscript.all("VDI").get(drive["VDI"])
        if drive["empty"] or wanted is None:
            return NULL
        db = self.pool.db
        same = [*db.find("VDI", location=wanted["location"]), *db.find("VDI", name_label=wanted["name_label"])]
        discs = [vdi for vdi in same if db.get("SR", db.get("VDI", vdi)["SR"])["content_type"] == "iso"]
        return discs[0] if discs else NULL

    def _disk(self, name: str) -> str:
        if self.existing is not None:
            return self.existing[name]
        if name not in self.disks:
            record = self.manuscript.get("VDI", name)
            fields = {one: record[one] for one in _OF_A_DISK} | {"SR": self.repository}
            vdi = new_disk(self.pool, fields, DiskSpec(record["virtual_size"]))
            self.disks[name] = vdi
            self._undo.append(lambda: remove_disk(self.pool, vdi))
        return self.disks[name]

    def _interface(self, vm: str, interface: Record) -> None:
        fields = {name: interface[name] for name in _OF_AN_INTERFACE}
        other = self.pool.db.get("VM", vm)["other_config"]
        mac = interface["MAC"] if self.restore else macs.generate(other, interface["device"])
        fields.update(VM=vm, network=self._network(interface["network"]), MAC=mac)
        fields["MAC_autogenerated"] = interface["MAC_autogenerated"] or not self.restore
        self.pool.db.create("VIF", fields)

    def _put_to_sleep(self, vm: str, record: Record) -> None:
        """Leave a VM suspended whose memory image came with it."""
        image = record["suspend_VDI"]
        known = self.manuscript.all("VDI") if self.existing is None else self.existing
        if record["power_state"] == "Suspended" and image in known:
            self.pool.db.set("VM", vm, power_state="Suspended", suspend_VDI=self._disk(image))

    def _chip(self, vm: str, chip: Record) -> None:
        fields = {name: chip[name] for name in ("is_unique", "is_protected")}
        chips.make(self.pool.db, vm, chip["content"], {**fields, "uuid": chip["uuid"] if self.restore else ""})

    def _network(self, name: str) -> str:
        db = self.pool.db
        record = self.manuscript.get("network", name)
        found = db.find("network", name_label=record["name_label"]) or db.find("network", bridge=record["bridge"])
        if found:
            return found[0]
        fields = {"name_label": record["name_label"], "bridge": record["bridge"], "other_config": {_TASK: self.task}}
        network = db.create("network", fields)
        self._undo.append(lambda: db.delete("network", network))
        return network
