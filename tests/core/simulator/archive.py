"""Reading an archive in the tests: stdlib tarfile and the reconstruction rule, written apart from the simulator."""

import io
import tarfile
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds: the document, the member names in order, the chunks by folder."""

    version: dict[str, Any]
    objects: list[dict[str, Any]]
    names: list[str]
    chunks: dict[str, list[tuple[int, bytes]]]

    def one(self, cls: str) -> dict[str, Any]:
        (found,) = [one["snapshot"] for one in self.objects if one["class"] == cls]
        assert isinstance(found, dict)
        return found

    def all(self, cls: str) -> dict[str, dict[str, Any]]:
        return {one["id"]: one["snapshot"] for one in self.objects if one["class"] == cls}

    def disk(self, folder: str, size: int) -> bytes:
        """Put a disk together: a gap in the numbers is so many MiB of zeros, an empty chunk nothing."""
        content = bytearray()
        last = -1
        for number, data in self.chunks[folder]:
            assert number > last
            content += bytes((number - last - 1) * MIB) + data
            last = number
        assert len(content) == size
        return bytes(content)


def read_archive(data: bytes) -> Archive:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        members = [(member.name, _content(tar, member)) for member in tar]
    assert members[0][0] == "ova.xml"
    text = members[0][1].decode()
    assert "> <" not in text
    wrapped = f"<methodResponse><params><param>{text}</param></params></methodResponse>"
    ((document,), _) = xmlrpc.client.loads(wrapped)
    assert isinstance(document, dict)
    chunks: dict[str, list[tuple[int, bytes]]] = {}
    for name, content in members[1:]:
        folder, _, number = name.partition("/")
        if "." not in number:
            chunks.setdefault(folder, []).append((int(number), content))
    return Archive(document["version"], document["objects"], [name for name, _ in members], chunks)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()
