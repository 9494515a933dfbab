"""The document `ova.xml` of an archive: complete records with their refs rewritten (export.ml, importexport.ml)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from vmbackup.simulator import chips
from vmbackup.simulator.chains import parent_of
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.profiles import shown
from vmbackup.simulator.schema import EPOCH, MODEL, NULL, Type
from vmbackup.simulator.values import encode, struct

_ORDER = ["host", "VM", "VM_metrics", "VM_guest_metrics", "VBD", "VIF", "network", "VDI", "SR", "VGPU", "VTPM"]
_TEXT = Type("string")
_HANDLED = frozenset(_ORDER)
_LEFT_AS_THEY_ARE = {
    "VM": frozenset(
        {"children", "appliance", "suspend_SR", "snapshot_schedule", "VUSBs", "scheduled_to_be_resident_on"}
    ),
    "VDI": frozenset({"snapshot_of", "snapshots", "parent"}),
}
_OVERRIDES: dict[str, Record] = {
    "VM": {"consoles": [], "crash_dumps": [], "blobs": {}, "protection_policy": NULL},
    "VBD": {"metrics": NULL},
    "VIF": {"metrics": NULL},
    "VDI": {"crash_dumps": []},
    "SR": {"PBDs": []},
    "network": {"PIFs": []},
    "host": {
        name: []
        for name in ("PBDs", "PIFs", "resident_VMs", "host_CPUs", "crashdumps", "patches", "updates", "certificates")
    }
    | {"license_params": {}, "blobs": {}, "control_domain": NULL, "metrics": NULL},
}
_NOT_A_SNAPSHOT = {
    "is_a_snapshot": False,
    "snapshot_of": NULL,
    "snapshots": [],
    "snapshot_time": EPOCH,
    "transportable_snapshot_id": "",
    "parent": NULL,
}


@dataclass(slots=True)
class Contents:
    """What goes into an archive: (class, ref) → `Ref:N`. NULL refs of some fields get a number too, but no object."""

    number: Callable[[], int]
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    nameless: str = ""

    def add(self, cls: str, ref: str) -> None:
        """Give the object a number unless it has one."""
        if ref == NULL:
            self.nameless = self.nameless or f"Ref:{self.number()}"
        elif (cls, ref) not in self.names:
            self.names[cls, ref] = f"Ref:{self.number()}"

    def name(self, cls: str, ref: str) -> str:
        """Give what stands for a ref in the document."""
        if ref == NULL:
            return self.nameless or NULL
        return self.names.get((cls, ref), NULL)

    def objects(self) -> list[tuple[str, str]]:
        """Give (class, ref) in the document's order."""
        return sorted(self.names, key=lambda one: _ORDER.index(one[0]))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of VMs goes into a document: their power state with the memory image of those that are suspended.

    `excluded` names kinds of devices that stay out, `parents` brings in the base copies under each disk.
    """

    preserve: bool = False
    excluded: frozenset[str] = frozenset()
    parents: bool = False


def collect(pool: Pool, vms: Iterable[str], extent: Extent) -> Contents:
    """Number VMs and what belongs to them, in the server's order."""
    db = pool.db
    contents = Contents(pool.refs.document())
    for vm in vms:
        record = db.get("VM", vm)
        contents.add("VM", vm)
        for vif in record["VIFs"] if "vif" not in extent.excluded else ():
            contents.add("VIF", vif)
            contents.add("network", db.get("VIF", vif)["network"])
        for vbd in record["VBDs"] if "vbd" not in extent.excluded else ():
            contents.add("VBD", vbd)
            drive = db.get("VBD", vbd)
            if not drive["empty"]:
                _add_disk(db, contents, drive["VDI"], extent)
        for gpu in record["VGPUs"] if "vgpu" not in extent.excluded else ():
            contents.add("VGPU", gpu)
        for chip in record["VTPMs"] if pool.settings.profile.exports_chips and "vtpm" not in extent.excluded else ():
            contents.add("VTPM", chip)
        if extent.preserve and db.has("VDI", record["suspend_VDI"]):
            _add_disk(db, contents, record["suspend_VDI"], extent)
        contents.add("VM_metrics", record["metrics"])
        contents.add("VM_guest_metrics", record["guest_metrics"])
        contents.add("host", record["resident_on"])
        contents.add("host", record["affinity"])
    return contents


def _add_disk(db: Database, contents: Contents, vdi: str, extent: Extent) -> None:
    contents.add("VDI", vdi)
    contents.add("SR", db.get("VDI", vdi)["SR"])
    parent = parent_of(db, db.get("VDI", vdi)) if extent.parents else None
    if parent is not None:
        _add_disk(db, contents, parent, extent)


def document(pool: Pool, contents: Contents, *, preserve: bool, snapshots: bool) -> bytes:
    """Write `ova.xml`. `preserve` keeps power states and attachments, `snapshots` the relations between VMs."""
    objects = []
    for cls, ref in contents.objects():
        members = {
            "class": f"<value>{cls}</value>",
            "id": f"<value>{contents.names[cls, ref]}</value>",
            "snapshot": _chip(pool.db, contents, ref)
            if cls == "VTPM"
            else _record(pool, contents, cls, ref, preserve=preserve, snapshots=snapshots),
        }
        objects.append(f"<value>{struct(members)}</value>")
    listed = f"<value><array><data>{''.join(objects)}</data></array></value>"
    return f"<value>{struct({'version': _version(pool), 'objects': listed})}</value>".encode()


def _record(pool: Pool, contents: Contents, cls: str, ref: str, *, preserve: bool, snapshots: bool) -> str:
    rewritten = _rewritten(contents, cls, pool.db.get(cls, ref))
    record = _overridden(cls, rewritten, preserve=preserve, snapshots=snapshots)
    kind = Type("record", cls)
    return encode(shown(pool.settings.profile, record, kind), kind)


def _chip(db: Database, contents: Contents, ref: str) -> str:
    """Write a TPM, whose members have names of their own, and what is in it."""
    record = db.get("VTPM", ref)
    members = {
        "vTPM'_VM": contents.name("VM", record["VM"]),
        "vTPM'_uuid": record["uuid"],
        "vTPM'_is_unique": record["is_unique"],
        "vTPM'_is_protected": record["is_protected"],
        "vTPM'_content": chips.contents(db, ref),
    }
    return f"<value>{struct({name: encode(value, _TEXT) for name, value in members.items()})}</value>"


def _version(pool: Pool) -> str:
    software = pool.host["software_version"]
    major, _, minor = software["xapi"].partition(".")
    words = {
        "hostname": "localhost",
        "date": software["date"],
        "product_version": software["product_version"],
        "product_brand": software["product_brand"],
        "build_number": software["build_number"],
        "xapi_major": major,
        "xapi_minor": minor,
        "export_vsn": "2",
    }
    return f"<value>{struct({name: f'<value>{word}</value>' for name, word in words.items()})}</value>"


def _overridden(cls: str, rewritten: Record, *, preserve: bool, snapshots: bool) -> Record:
    """Give the fields their values in an archive; a NULL that is put in here stays one."""
    record = {**rewritten, **_OVERRIDES.get(cls, {})}
    for name, value in (("allowed_operations", []), ("current_operations", {})):
        if name in record:
            record[name] = value
    if cls == "VM" and not preserve:
        record.update(power_state="Halted", suspend_VDI=NULL)
    if cls == "VM" and not snapshots:
        record.update(_NOT_A_SNAPSHOT)
    if "currently_attached" in record and not preserve:
        record["currently_attached"] = False
    return record


def _rewritten(contents: Contents, cls: str, record: Record) -> Record:
    kept = _LEFT_AS_THEY_ARE.get(cls, frozenset())
    fields = MODEL.classes[cls]
    return {
        name: value if name in kept else _renamed(contents, fields[name].type, value) for name, value in record.items()
    }


def _renamed(contents: Contents, kind: Type, value: object) -> object:
    if kind.kind == "ref" and kind.name in _HANDLED:
        return contents.name(kind.name, str(value))
    if kind.kind == "set" and kind.items and kind.items.name in _HANDLED and isinstance(value, list):
        return [contents.names[kind.items.name, ref] for ref in value if (kind.items.name, ref) in contents.names]
    return value
