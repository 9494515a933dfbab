"""What the small files of an old copy tell: which VM it is of, and which disks. All of it is hostile input."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmbackup.contracts import Names, OtherNames
from vmbackup.errors import ImageError
from vmbackup.images import Ova, read_ova
from vmbackup.twins import XML, metadata

# A description may be long; a file of NAU VMbackup's for a disk has some hundred bytes.
CFG_LIMIT = 1 << 20
XML_LIMIT = 64 << 20
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class OldDisk:
    """A disk as `vdi.cfg` and `vbd.cfg` tell: what the guest called it, its place, its size in bytes, and its VDI.

    What they do not tell is None, or "".
    """

    device: str
    position: int | None
    virtual_size: int | None
    name: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is known of a copy: `uuid` is the VM's, or "" where nothing tells it; `xml` is its `ova.xml`, if it has one.

    `files` are the small files there.
    """

    uuid: str
    disks: tuple[OldDisk, ...]
    xml: bytes | None
    files: tuple[Names, ...]

    @property
    def first_disk(self) -> OldDisk | None:
        """The disk that a copy of one disk holds: the one that the guest called xvda, or else the only one."""
        found = [disk for disk in self.disks if disk.device == "xvda"]
        return next(iter(found), self.disks[0] if len(self.disks) == 1 else None)

    def disk_at(self, position: int) -> OldDisk | None:
        """The disk at that place."""
        return next((disk for disk in self.disks if disk.position == position), None)


def particulars(other: OtherNames, folder: Names) -> Particulars:
    """Read the small files of a copy. Raises TargetError; what cannot be understood tells nothing."""
    files = tuple(metadata(other, folder))
    cfgs = {names[len(folder) :]: _cfg(other.read(names, CFG_LIMIT)) for names in files if names[-1].endswith(".cfg")}
    xml = next((other.read(names, XML_LIMIT) for names in files if names[-1] == XML), b"")
    ova = _ova(xml)
    uuid = _uuid(cfgs.get(("vm.cfg",), {}).get("orig_uuid", "")) or (_vm_uuid(ova) if ova else "")
    folders = sorted({names[0] for names in cfgs if names[0].startswith("DISK-")})
    disks = [_disk(one, cfgs.get((one, "vbd.cfg"), {}), cfgs.get((one, "vdi.cfg"), {})) for one in folders]
    return Particulars(uuid, tuple(disks) or (_disks_of(ova) if ova else ()), xml if ova else None, files)


def _cfg(data: bytes) -> dict[str, str]:
    r"""Read `key=value` lines; a value that goes on in the next line is cut there, as it was never escaped."""
    pairs = (line.partition("=") for line in data.decode(errors="replace").splitlines())
    found: dict[str, str] = {}
    for key, equals, value in pairs:
        if equals:
            found.setdefault(key.strip(), value.strip())
    return found


def _ova(xml: bytes) -> Ova | None:
    try:
        return read_ova(xml)
    except ImageError:
        return None


def _uuid(text: str) -> str:
    return text if _UUID.fullmatch(text) else ""


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _vm_uuid(ova: Ova) -> str:
    """Return the UUID of the only VM that is no snapshot, or ""."""
    found = [_uuid(vm.text("uuid")) for vm in ova.of_class("VM") if vm.record.get("is_a_snapshot") is not True]
    return found[0] if len(found) == 1 else ""


def _disk(folder: str, vbd: Mapping[str, str], vdi: Mapping[str, str]) -> OldDisk:
    return OldDisk(
        device=folder.removeprefix("DISK-"),
        position=_number(vbd.get("userdevice", "")),
        virtual_size=_number(vdi.get("virtual_size", "")),
        name=vdi.get("name_label", ""),
        uuid=_uuid(vdi.get("orig_uuid", "")),
    )


def _disks_of(ova: Ova) -> tuple[OldDisk, ...]:
    disks: Iterable[OldDisk] = (
        OldDisk(disk.device, _number(disk.userdevice), disk.virtual_size, disk.name, _uuid(disk.uuid))
        for disk in ova.disks
    )
    return tuple(disks)
