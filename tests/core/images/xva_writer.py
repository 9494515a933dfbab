"""A writer of XVAs for the tests: made from the format's description alone, it shares nothing with the reader."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.sax.saxutils import escape

import xxhash

MIB = 1 << 20
END = bytes(1024)


@dataclass(frozen=True)
class File:
    """A member of the tar, of which a test can change every part."""

    name: str
    data: bytes
    mtime: int = 0
    type: bytes = b"\0"
    size: bytes | None = None

    def header(self) -> bytes:
        """The V7 header as ocaml-tar writes it: the checksum has seven digits and a NUL."""
        size = self.size or b"%011o\0" % len(self.data)
        fields = self.name.encode().ljust(100, b"\0") + b"0000400\0" + b"0000000\0" * 2 + size + b"%011o\0" % self.mtime
        rest = self.type.ljust(356, b"\0")
        return fields + b"%07o\0" % (sum(fields + rest) + 8 * 32) + rest

    def bytes(self) -> bytes:
        """Header, content and padding."""
        return self.header() + self.data + bytes(-len(self.data) % 512)


def tar(files: Iterable[File], end: bytes = END) -> bytes:
    return b"".join(file.bytes() for file in files) + end


def xxhash_text(data: bytes) -> bytes:
    return b"%016X" % xxhash.xxh64(data).intdigest()


def sha1_text(data: bytes) -> bytes:
    return hashlib.sha1(data).hexdigest().encode()  # noqa: S324 - what old hosts write


def with_checksum(name: str, data: bytes, kind: str = ".xxhash") -> list[File]:
    """A block and its checksum."""
    text = xxhash_text(data) if kind == ".xxhash" else sha1_text(data)
    return [File(name, data), File(name + kind, text)]


def blocks_of(content: bytes, block: int = MIB, silent: frozenset[int] = frozenset()) -> list[tuple[int, bytes]]:
    """Number the blocks of a disk as a raw scan does: zeros in the middle only count.

    Before a block at an index in `silent`, the host has been silent for long: an empty block uses up its number.
    """
    last = (len(content) - 1) // block
    numbered: list[tuple[int, bytes]] = []
    number = 0
    for index in range(last + 1):
        data = content[index * block : (index + 1) * block]
        if index in silent:
            numbered.append((number, b""))
            number += 1
        if index in {0, last} or data.strip(b"\0"):
            numbered.append((number, data))
        number += 1
    return numbered


def disk_files(
    folder: str, content: bytes, block: int = MIB, kind: str = ".xxhash", silent: frozenset[int] = frozenset()
) -> list[File]:
    """The members of one disk."""
    return [
        file
        for number, data in blocks_of(content, block, silent)
        for file in with_checksum(f"{folder}/{number:08}", data, kind)
    ]


def value(thing: object) -> str:
    """XML-RPC as XAPI writes it: text and integers without a type, no white space."""
    if isinstance(thing, bool):
        return f"<value><boolean>{int(thing)}</boolean></value>"
    if isinstance(thing, float):
        return f"<value><double>{thing:.16g}</double></value>"
    if isinstance(thing, Mapping):
        members = "".join(f"<member><name>{escape(str(k))}</name>{value(v)}</member>" for k, v in thing.items())
        return f"<value><struct>{members}</struct></value>"
    if isinstance(thing, list | tuple):
        return f"<value><array><data>{''.join(map(value, thing))}</data></array></value>"
    return f"<value>{escape(str(thing))}</value>"


@dataclass(frozen=True)
class Disk:
    """A disk of a VM in a test; `ref` is the number in `Ref:N`."""

    ref: int
    uuid: str
    content: bytes
    type: str = "Disk"
    content_type: str = "user"
    empty: bool = False
    userdevice: str = "0"

    @property
    def folder(self) -> str:
        return f"Ref:{self.ref}"


@dataclass(frozen=True)
class Machine:
    """A VM of which a test makes an XVA."""

    disks: Sequence[Disk]
    export_vsn: int | None = 2
    block: int = MIB
    kind: str = ".xxhash"
    extra: Sequence[Mapping[str, object]] = ()
    vm: Mapping[str, object] = field(default_factory=dict)

    def ova(self) -> bytes:
        """The bytes of ova.xml."""
        version: dict[str, object] = {
            "hostname": "localhost",
            "date": "2024-01-01",
            "product_version": "8.2.1",
            "product_brand": "XCP-ng",
            "build_number": "release/yangtze/master/58",
            "xapi_major": 1,
            "xapi_minor": 20,
        }
        if self.export_vsn is not None:
            version["export_vsn"] = self.export_vsn
        return value({"version": version, "objects": [*self._objects(), *self.extra]}).encode()

    def _objects(self) -> Iterable[dict[str, object]]:
        vm = {
            "uuid": "11111111-1111-4111-8111-111111111111",
            "name_label": "web01 <&>",
            "is_a_template": True,
            "HVM_shadow_multiplier": 1.0,
            "VBDs": [f"Ref:{3000 + disk.ref}" for disk in self.disks],
            "suspend_VDI": "OpaqueRef:NULL",
            "guest_metrics": "Ref:7777",
            **self.vm,
        }
        yield {"class": "VM", "id": "Ref:1000", "snapshot": vm}
        for disk in self.disks:
            vbd = {
                "VM": "Ref:1000",
                "VDI": disk.folder,
                "type": disk.type,
                "empty": disk.empty,
                "userdevice": disk.userdevice,
                "device": f"xvd{chr(97 + int(disk.userdevice))}",
                "bootable": disk.userdevice == "0",
                "mode": "RW",
            }
            yield {"class": "VBD", "id": f"Ref:{3000 + disk.ref}", "snapshot": vbd}
        for disk in self.disks:
            vdi = {
                "uuid": disk.uuid,
                "name_label": f"disk {disk.ref}",
                "SR": f"Ref:{5000 + disk.ref}",
                "virtual_size": len(disk.content),
            }
            yield {"class": "VDI", "id": disk.folder, "snapshot": vdi}
            yield {"class": "SR", "id": f"Ref:{5000 + disk.ref}", "snapshot": {"content_type": disk.content_type}}

    def files(self, ova: bytes | None = None) -> list[File]:
        """All members, the disks in the order of their folders' names."""
        files = [File("ova.xml", self.ova() if ova is None else ova, mtime=1_700_000_000)]
        for disk in sorted(self.disks, key=lambda disk: disk.folder):
            if disk.type != "CD" and disk.content_type != "iso" and not disk.empty and disk.content:
                files += disk_files(disk.folder, disk.content, self.block, self.kind)
        return files

    def xva(self) -> bytes:
        return tar(self.files())


def changed(files: Sequence[File], name: str, change: Callable[[File], File | None]) -> list[File]:
    """The members with one of them changed, or taken out."""
    assert name in {file.name for file in files}
    made = [change(file) if file.name == name else file for file in files]
    return [file for file in made if file is not None]


def with_data(data: bytes) -> Callable[[File], File]:
    return lambda file: replace(file, data=data)
