"""A backup of a VM with two disks and two interfaces, and a pool that takes it as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.core.builders import START, manifest, stored

from vmbackup.images import Ova, OvaDisk, OvaObject, OvaVersion
from vmbackup.manifest import Image, ImageDisk
from vmbackup.models import SR
from vmbackup.restore import RestorePlan, Wishes
from vmbackup.restore.plan import plan_restore
from vmbackup.results import Backup
from vmbackup.xapi.surroundings import Host, Neighbour, Network, Storage, Surroundings

GIB = 1 << 30
MACS = ("00:16:3E:00:00:01", "00:16:3e:00:00:02")


def disk(position: int, name: str, device: str | None = None, size: int = 10 * GIB, data: int = GIB) -> ImageDisk:
    return ImageDisk(
        uuid=f"snapshot-{position}",
        original_uuid=f"original-{position}",
        name=name,
        position=position,
        device=f"xvd{chr(97 + position)}" if device is None else device,
        virtual_size=size,
        blocks=1,
        data_bytes=data,
        blocks_digest="00",
    )


DISKS = (disk(0, "root"), disk(1, "data"))


def backup(
    disks: Sequence[ImageDisk] = DISKS,
    *,
    form: str = "xva",
    compressor: str | None = None,
    packed_by: str | None = None,
) -> Backup:
    image = Image.model_validate({"format": form, "size": 5, "disks": disks})
    file = stored("image.xva", b"").model_copy(update={"compressor": compressor, "packed_by": packed_by})
    return Backup("nas", f"pool/web/{START:%Y}", manifest(files=[file]).model_copy(update={"image": image}))


def obj(cls: str, number: int, **record: object) -> OvaObject:
    return OvaObject(cls, f"Ref:{number}", record)


def ova_disk(of: ImageDisk, sr: str) -> OvaDisk:
    return OvaDisk(
        folder=f"Ref:{50 + of.position}",
        uuid=of.uuid,
        name=of.name,
        virtual_size=of.virtual_size,
        vm="Ref:1",
        sr=sr,
        sr_content_type="user",
        userdevice=str(of.position),
        device=of.device,
        bootable=of.position == 0,
        mode="RW",
    )


VM: Mapping[str, object] = {
    "uuid": "vm-uuid",
    "name_label": "web",
    "power_state": "Halted",
    "memory_static_max": str(2 * GIB),
    "VCPUs_max": "2",
    "HVM_boot_params": {"firmware": "bios"},
    "other_config": {"mac_seed": "seed"},
}
NETWORKS = (
    obj("network", 30, uuid="net-lan", name_label="LAN", bridge="xenbr0"),
    obj("network", 31, uuid="net-dmz", name_label="DMZ", bridge="xenbr1"),
)
VIFS = tuple(
    obj("VIF", 20 + number, device=str(number), network=f"Ref:{30 + number}", MAC=mac)
    for number, mac in enumerate(MACS)
)
SRS = (
    obj("SR", 40, uuid="sr-old", name_label="old storage", content_type="user"),
    obj("SR", 41, uuid="sr-older", name_label="older storage", content_type="user"),
)


def ova(
    disks: Sequence[ImageDisk] = DISKS,
    *,
    vm: Mapping[str, object] | None = None,
    vifs: Sequence[OvaObject] = VIFS,
    networks: Sequence[OvaObject] = NETWORKS,
    more: Sequence[OvaObject] = (),
    version: tuple[int, int] = (1, 20),
) -> Ova:
    """The first disk is on "old storage", the others are on "older storage"."""
    objects = (obj("VM", 1, **{**VM, **(vm or {})}), *vifs, *networks, *SRS, *more)
    found = tuple(ova_disk(one, "Ref:40" if one.position == 0 else "Ref:41") for one in disks)
    return Ova(OvaVersion(2, *version, "XCP-ng", "8.2.1"), objects, found)


def sr(name: str, *, kind: str = "nfs", size: int = 1000 * GIB, used: int = 0, library: bool = False) -> Storage:
    return Storage(f"OpaqueRef:{name}", SR(f"uuid-{name}", name, kind, size, used, snapshots=True), library)


def network(name: str, bridge: str, uuid: str | None = None) -> Network:
    return Network(f"OpaqueRef:{uuid or name}", uuid or f"uuid-{name}", name, bridge, wired=True)


def neighbour(
    name: str,
    *,
    state: str = "Halted",
    macs: Sequence[str] = (),
    seed: str = "",
    uuid: str | None = None,
    positions: Sequence[int] = (),
) -> Neighbour:
    found = uuid or f"uuid-{name}"
    return Neighbour(f"OpaqueRef:{found}", found, name, state, frozenset(macs), seed, frozenset(positions))


HOST = Host("xen1", cpus=16, vendor="GenuineIntel", memory=64 * GIB, xapi=(1, 20, 0), platform=(3, 2, 1))
POOL = Surroundings(
    default_sr="OpaqueRef:default",
    storage=(sr("default"), sr("fast"), sr("slow"), sr("ISOs", kind="iso", library=True)),
    networks=(network("LAN", "xenbr0"), network("DMZ", "xenbr1")),
    neighbours=(),
    hosts=(HOST,),
)


def pool(**changes: object) -> Surroundings:
    return replace(POOL, **changes)  # type: ignore[arg-type]


def plan(
    wishes: Wishes | None = None, there: Surroundings = POOL, of: Backup | None = None, meta: Ova | None = None
) -> RestorePlan:
    return plan_restore(of or backup(), meta or ova(), there, wishes or Wishes())


def problems(planned: RestorePlan) -> list[str]:
    return [problem.message for problem in planned.problems]


def advice(planned: RestorePlan) -> list[str]:
    return [problem.advice for problem in planned.problems]
