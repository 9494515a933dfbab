"""`ova.xml`, the first member of an XVA: which objects it describes, and which disks must follow (xapi: export.ml)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmbackup.errors import ImageError
from vmbackup.images.xmlrpc_value import BadValue, read_value

_WHOLE = re.compile(r"[0-9]{1,18}")
# References and uuids; they stand in messages, so nothing that could speak to a terminal.
_NAME = re.compile(r"[!-~]{1,80}")


@dataclass(frozen=True, slots=True)
class OvaVersion:
    """The version of the format and of the pool that wrote it; what is missing is 0 or ""."""

    export_vsn: int
    xapi_major: int
    xapi_minor: int
    product_brand: str
    product_version: str


@dataclass(frozen=True, slots=True)
class OvaObject:
    """An object of the pool: its class, its `Ref:N`, and its API record, in which untyped integers are text."""

    cls: str
    id: str
    record: Mapping[str, object]

    def text(self, field: str) -> str:
        """Return a field that is text; one that is missing or of another kind is ""."""
        value = self.record.get(field)
        return value if isinstance(value, str) else ""

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the texts in a field that is a set; one that is missing or of another kind has none."""
        value = self.record.get(field)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()

    def mapping(self, field: str) -> dict[str, str]:
        """Return the texts in a field that is a map; one that is missing or of another kind has none."""
        value = self.record.get(field)
        return {key: item for key, item in value.items() if isinstance(item, str)} if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class OvaDisk:
    """A disk whose content follows in `folder`, unless it has 0 bytes.

    `virtual_size` in bytes; `vm` and `sr` are ids of objects; `userdevice` is the position in the VM, `device` what the
    guest calls it. What the link to the VM would tell is "" or false for the memory of a suspended VM.
    """

    folder: str
    uuid: str
    name: str
    virtual_size: int
    vm: str
    sr: str
    sr_content_type: str
    userdevice: str
    device: str
    bootable: bool
    mode: str


@dataclass(frozen=True, slots=True)
class Ova:
    """What `ova.xml` says."""

    version: OvaVersion
    objects: tuple[OvaObject, ...]
    disks: tuple[OvaDisk, ...]

    def of_class(self, cls: str) -> Iterator[OvaObject]:
        """Yield the objects of a class, in their order."""
        return (found for found in self.objects if found.cls == cls)


def read_ova(data: bytes, start: int = 0) -> Ova:
    """Read `ova.xml`, which begins at byte `start` of its image. Raises ImageError if it is not one."""
    try:
        content = _struct(read_value(data), "it")
        version = _version(_struct(content.get("version"), "version"))
        objects = tuple(_objects(content.get("objects")))
        return Ova(version, objects, tuple(_disks(objects)))
    except BadValue as error:
        raise ImageError(f"ova.xml is damaged: {error}", position=start + error.offset) from None
    except ValueError as error:
        raise ImageError(f"ova.xml is damaged: {error}", position=start) from None


def _struct(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no struct")  # noqa: TRY004 - read_ova catches what is wrong in the data
    return value


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{what} is {ascii(value)[:80]}")
    return value


def _number(value: object, what: str) -> int:
    if isinstance(value, bool) or not _WHOLE.fullmatch(str(value)):
        raise ValueError(f"{what} is {ascii(value)[:80]}, not a number")
    return int(str(value))


def _version(fields: Mapping[str, object]) -> OvaVersion:
    return OvaVersion(
        export_vsn=_number(fields.get("export_vsn", 0), "export_vsn"),
        xapi_major=_number(fields.get("xapi_major", 0), "xapi_major"),
        xapi_minor=_number(fields.get("xapi_minor", 0), "xapi_minor"),
        product_brand=str(fields.get("product_brand", "")),
        product_version=str(fields.get("product_version", "")),
    )


def _objects(values: object) -> Iterator[OvaObject]:
    if not isinstance(values, list):
        raise ValueError("objects is no array")  # noqa: TRY004 - read_ova catches what is wrong in the data
    seen: set[str] = set()
    for value in values:
        fields = _struct(value, "an object")
        cls = _name(fields.get("class"), "the class of an object")
        name = _name(fields.get("id"), "the id of an object")
        if name in seen:
            raise ValueError(f"two objects have the id {name}")
        seen.add(name)
        yield OvaObject(cls, name, _struct(fields.get("snapshot"), f"the record of {name}"))


def _disks(objects: tuple[OvaObject, ...]) -> Iterator[OvaDisk]:
    """Yield what a host streams: the VBDs' disks, CDs and ISO libraries aside, and a suspended VM's memory.

    A `Ref:N` without its object stands for NULL: hosts number even that (xapi: export.ml).
    """
    vdis = {found.id: found for found in objects if found.cls == "VDI"}
    content_types = {found.id: found.text("content_type") for found in objects if found.cls == "SR"}
    nothing = OvaObject("VBD", "", {})
    links = [
        (vbd.text("VDI"), vbd.text("VM"), vbd)
        for vbd in objects
        if vbd.cls == "VBD" and vbd.text("type") != "CD" and vbd.record.get("empty") is not True
    ]
    links += [(vm.text("suspend_VDI"), vm.id, nothing) for vm in objects if vm.cls == "VM"]
    for folder, vm, vbd in links:
        # Taken out: a disk that two VBDs share is one disk.
        vdi = vdis.pop(folder, None)
        if vdi is None or content_types.get(vdi.text("SR")) == "iso":
            continue
        yield OvaDisk(
            folder=folder,
            uuid=_name(vdi.record.get("uuid"), f"the uuid of {folder}"),
            name=vdi.text("name_label"),
            virtual_size=_number(vdi.record.get("virtual_size"), f"the virtual_size of {folder}"),
            vm=vm,
            sr=vdi.text("SR"),
            sr_content_type=content_types.get(vdi.text("SR"), ""),
            userdevice=vbd.text("userdevice"),
            device=vbd.text("device"),
            bootable=vbd.record.get("bootable") is True,
            mode=vbd.text("mode"),
        )
