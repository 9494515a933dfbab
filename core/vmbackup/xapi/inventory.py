"""The pool's inventory, in a handful of calls whatever its size: whole classes at once, never a call a VM."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from vmbackup.errors import TransferError
from vmbackup.models import SR, VIF, VM, Disk, Inventory, Place, Pool
from vmbackup.xapi.marks import REHEARSING
from vmbackup.xapi.session import Session
from vmbackup.xapi.standing import Tables, is_spare, standing
from vmbackup.xapi.wire import NULL, Record, flag, mapping, number, text, texts

UNPLACED = -1
CLASSES = ("VM", "VBD", "VDI", "SR", "SM", "PBD", "VIF", "network", "VM_guest_metrics", "VM_metrics")
# What takes no disk of a VM: collections of ISOs, and drives that are passed through (xapi: sm udev).
LIBRARIES = frozenset({"iso", "disk"})
# Where the storage keeps the UUID of the image below, and what a volume without such images says (sm: vhdutil.py).
PARENT, RAW = "vhd-parent", frozenset({"raw", "aio"})
IMAGES = "images"


def read_pool(session: Session) -> Pool:
    """Ask the pool who it is: three calls."""
    pools = session.records("pool")
    if len(pools) != 1:
        raise TransferError("pool.get_all_records: a pool has one pool record")
    (ref, pool), *_ = pools.items()
    coordinator = session.record("host", text(pool, "master"))
    version = mapping(coordinator, "software_version")
    product = " ".join(filter(None, (version.get("product_brand", ""), version.get("product_version", ""))))
    # The pool has no name until somebody gives it one; its coordinator always has.
    name = text(pool, "name_label") or text(coordinator, "name_label")
    return Pool(
        ref=ref,
        uuid=text(pool, "uuid"),
        name=name,
        coordinator=text(coordinator, "name_label"),
        product=product,
        version=version.get("xapi_build") or version.get("xapi", ""),
        default_sr=text(pool, "default_SR"),
    )


def read_inventory(session: Session, pool: Pool) -> Inventory:
    """Ask the pool for its VMs: one call a class."""
    tables = {name: session.records(name) for name in CLASSES}
    marks = [standing(record) for record in tables["VM"].values() if is_spare(record, tables)]
    copied = frozenset((mark.job, mark.vm) for mark in marks if mark)
    return Inventory(pool, assemble(tables), datetime.now(UTC), read_places(tables), copied)


def assemble(tables: Tables) -> tuple[VM, ...]:
    """Put the records of the classes together to the VMs that can be backed up, by name; pure."""
    tables = _with_images(tables)
    real = (
        read_vm(ref, record, tables)
        for ref, record in tables["VM"].items()
        if is_real(record) and _stays(record) and not is_spare(record, tables)
    )
    return tuple(sorted(real, key=lambda vm: (vm.name, vm.uuid)))


def is_real(vm: Record) -> bool:
    """Whether a VM record is a VM to people: no template, no snapshot, no control domain (as `xe vm-list`)."""
    return not (flag(vm, "is_a_template") or flag(vm, "is_a_snapshot") or flag(vm, "is_control_domain"))


def _stays(vm: Record) -> bool:
    """Whether it is neither still being imported, under the name of another perhaps, nor there for a rehearsal."""
    arriving = "import" in mapping(vm, "current_operations").values()
    return not arriving and REHEARSING not in mapping(vm, "other_config")


def read_vm(ref: str, record: Record, tables: Tables) -> VM:
    """Put one VM or snapshot together from the records of its VBDs, VDIs, VIFs and the rest."""
    vbds = [vbd for vbd in (tables["VBD"].get(vbd) for vbd in texts(record, "VBDs")) if vbd is not None]
    disks = (read_disk(vbd, tables) for vbd in vbds)
    vifs = (tables["VIF"].get(vif) for vif in texts(record, "VIFs"))
    metrics = tables["VM_guest_metrics"].get(text(record, "guest_metrics"), {})
    return VM(
        ref=ref,
        uuid=text(record, "uuid"),
        name=text(record, "name_label"),
        description=text(record, "name_description"),
        power_state=text(record, "power_state"),
        tags=texts(record, "tags"),
        memory=number(record, "memory_dynamic_max"),
        vcpus_max=number(record, "VCPUs_max"),
        vcpus_at_startup=number(record, "VCPUs_at_startup"),
        base_template=mapping(record, "other_config").get("base_template_name", ""),
        os_version=mapping(metrics, "os_version").get("name", ""),
        disks=tuple(sorted((disk for disk in disks if disk), key=lambda disk: (disk.position, disk.uuid))),
        vifs=tuple(sorted((read_vif(vif, tables) for vif in vifs if vif is not None), key=lambda vif: vif.device)),
        discs=tuple(filter(None, (read_disc(vbd, tables) for vbd in vbds))),
        usb=bool(texts(record, "VUSBs")),
        secrets=("NVRAM",) * bool(mapping(record, "NVRAM")) + ("vTPM",) * bool(texts(record, "VTPMs")),
    )


def read_disc(vbd: Record, tables: Tables) -> str | None:
    """Return the name of the ISO in a CD drive, or None for an empty drive and for everything else."""
    vdi = tables["VDI"].get(text(vbd, "VDI"))
    return text(vdi, "name_label") if vdi is not None and text(vbd, "type") == "CD" else None


def read_disk(vbd: Record, tables: Tables) -> Disk | None:
    """Return the disk that a VBD links to its VM, or None for a CD drive, an empty one, or one on an ISO library."""
    ref = text(vbd, "VDI")
    vdi = tables["VDI"].get(ref)
    if text(vbd, "type") == "CD" or flag(vbd, "empty") or ref == NULL or vdi is None:
        return None
    sr = tables["SR"].get(text(vdi, "SR"), {})
    if text(sr, "content_type") == "iso":
        return None
    config = mapping(vdi, "sm_config")
    return Disk(
        ref=ref,
        uuid=text(vdi, "uuid"),
        name=text(vdi, "name_label"),
        description=text(vdi, "name_description"),
        virtual_size=number(vdi, "virtual_size"),
        physical_utilisation=number(vdi, "physical_utilisation"),
        type=text(vdi, "type"),
        sharable=flag(vdi, "sharable"),
        read_only=flag(vdi, "read_only"),
        sr=read_sr(sr, tables),
        vbd_uuid=text(vbd, "uuid"),
        position=position_of(text(vbd, "userdevice")),
        device=text(vbd, "device"),
        bootable=flag(vbd, "bootable"),
        mode=text(vbd, "mode"),
        unpluggable=flag(vbd, "unpluggable"),
        tags=texts(vdi, "tags"),
        snapshot_of=text(vdi, "snapshot_of"),
        chain=chain_of(vdi, tables),
        shared=len(texts(vdi, "VBDs")) > 1,
        raw=config.get("vdi_type") in RAW,
        # The field on_boot is what somebody wished for; this is what the pool looks at (xapi: xapi_vm_lifecycle.ml).
        reset_on_boot=config.get("on_boot") == "reset",
    )


def read_sr(sr: Record, tables: Tables) -> SR:
    """Return a storage repository. What its driver can do is known from the class SM, and else believed."""
    drivers = [driver for driver in tables["SM"].values() if text(driver, "type") == text(sr, "type")]
    return SR(
        uuid=text(sr, "uuid"),
        name=text(sr, "name_label"),
        type=text(sr, "type"),
        size=number(sr, "physical_size"),
        used=number(sr, "physical_utilisation"),
        snapshots=not drivers or any("VDI_SNAPSHOT" in mapping(driver, "features") for driver in drivers),
    )


def read_places(tables: Tables) -> tuple[Place, ...]:
    """Return the pool's SRs with the hosts that have each attached."""
    plugs = [plug for plug in tables["PBD"].values() if flag(plug, "currently_attached")]
    return tuple(
        Place(
            ref=ref,
            sr=read_sr(record, tables),
            library=text(record, "content_type") in LIBRARIES,
            hosts=frozenset(text(plug, "host") for plug in plugs if text(plug, "SR") == ref),
        )
        for ref, record in tables["SR"].items()
    )


def chain_of(vdi: Record, tables: Tables) -> int:
    """Count the images of a disk's chain, its own included; hidden base copies are records of their own."""
    seen: set[str] = set()
    while (parent := mapping(vdi, "sm_config").get(PARENT, "")) in tables[IMAGES] and parent not in seen:
        seen.add(parent)
        vdi = tables[IMAGES][parent]
    return 1 + len(seen)


def _with_images(tables: Tables) -> Tables:
    """Add the VDIs by their UUIDs, by which the storage links a disk to its base copies."""
    return {**tables, IMAGES: {text(record, "uuid"): record for record in tables["VDI"].values()}}


def position_of(userdevice: str) -> int:
    """Return a VBD's place as a number: it may also be written as a device (xapi: device_number.ml); -1 if neither."""
    if re.fullmatch(r"[0-9]+", userdevice):
        return int(userdevice)
    if letter := re.fullmatch(r"(?:xvd|sd|hd)([a-z])", userdevice):
        return ord(letter[1]) - ord("a")
    return UNPLACED


def read_vif(vif: Record, tables: Tables) -> VIF:
    """Return a network interface with the name of its network."""
    network = tables["network"].get(text(vif, "network"), {})
    return VIF(
        uuid=text(vif, "uuid"),
        device=text(vif, "device"),
        network=text(network, "name_label"),
        mac=text(vif, "MAC"),
        mtu=number(vif, "MTU"),
        other_config=mapping(vif, "other_config"),
    )


def reread(session: Session, vm: VM) -> VM:
    """Return the VM as it is now: an inventory can be hours old. Raises PoolError if it is gone."""
    record = session.record("VM", vm.ref)
    return read_vm(vm.ref, record, tables_of(session, record))


def tables_of(session: Session, vm: Record) -> Tables:
    """Fetch just the records that `read_vm` needs for one VM, such as a fresh snapshot."""

    def fetch(name: str, references: Iterable[str]) -> dict[str, Record]:
        return dict(session.living(name, sorted(set(references) - {NULL, ""})))

    vbds = fetch("VBD", texts(vm, "VBDs"))
    vdis = fetch("VDI", (text(vbd, "VDI") for vbd in vbds.values()))
    srs = fetch("SR", (text(vdi, "SR") for vdi in vdis.values()))
    vifs = fetch("VIF", texts(vm, "VIFs"))
    tables: Tables = {
        "VM": {},
        "VBD": vbds,
        "VDI": {**vdis, **_ancestors(session, vdis.values())},
        "SR": srs,
        "SM": session.records("SM") if srs else {},
        "VIF": vifs,
        "network": fetch("network", (text(vif, "network") for vif in vifs.values())),
        "VM_guest_metrics": fetch("VM_guest_metrics", [text(vm, "guest_metrics")]),
    }
    return _with_images(tables)


def _ancestors(session: Session, vdis: Iterable[Record]) -> dict[str, Record]:
    """Fetch the base copies under some disks. A storage merges them at any time, so that one may be gone."""
    found: dict[str, Record] = {}
    waiting = [parent for vdi in vdis if (parent := mapping(vdi, "sm_config").get(PARENT))]
    while waiting:
        ref = session.find("VDI", waiting.pop())
        for known, record in session.living("VDI", [ref] if ref and ref not in found else []):
            found[known] = record
            waiting += filter(None, [mapping(record, "sm_config").get(PARENT)])
    return found
