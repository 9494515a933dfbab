"""A tree as NAU VMbackup 3.0 and 3.25 have left it, made of images that a pool has exported."""

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.integration.world import World, job

VM = "web 01"
JOBS = """
[methods.raw]
type = "vdi-export"
[methods.vhd]
type = "vdi-export"
format = "vhd"
"""
FORMATS = {
    "xva": "",
    "gz": 'compress = { with = "gzip", when = "host" }',
    "raw": 'method = "raw"',
    "vhd": 'method = "vhd"',
}


@dataclass
class Exports:
    """What a pool exports of its VM in each format, made when it is first asked for in a world of its own."""

    world: World
    folders: dict[str, Path] = field(default_factory=dict)

    def folder(self, kind: str) -> Path:
        """The folder of a backup in that format."""
        if kind not in self.folders:
            if not self.folders:
                self.world.configure("")
                self.world.init_target()
            self.world.configure(f"{JOBS}{job(VM, more=FORMATS[kind], name=kind)}")
            report = self.world.run(kind)
            assert report.failed == 0, report
            (outcome,) = report.results[0].outcomes
            assert outcome.backup
            self.folders[kind] = self.world.target / outcome.backup.folder
        return self.folders[kind]

    def image(self, kind: str) -> Path:
        (found,) = [path for path in self.folder(kind).iterdir() if path.name.startswith(("image", "disk-"))]
        return found

    def lay(
        self,
        tree: Path,
        vm: str,
        at: str,
        kind: str,
        layout: str = "3.25",
        *,
        marker: str | None = "success",
        stamp: str = "backup-%Y-%m-%d-(%H:%M:%S)",
        cut: int | None = None,
    ) -> Path:
        """Make one copy: in the layout of a version, or with no metadata of the VM; `cut` leaves the end out."""
        copy = tree / vm / f"{datetime.fromisoformat(at):{stamp}}"
        copy.mkdir(parents=True)
        source = self.folder(kind)
        for folder in (*source.glob("DISK-*"), *source.glob("VIFs")):
            shutil.copytree(folder, copy / folder.name)
        if layout == "3.0":
            shutil.copy(source / "vm.cfg", copy / "vm.cfg")
        if layout == "3.25":
            document = ET.parse(self.folder("raw") / "ova.xml")  # noqa: S314 - our own
            ET.indent(document)
            document.write(copy / "vm-metadata.xml", xml_declaration=True, encoding="UTF-8")
        image = self.image(kind)
        data = image.read_bytes()
        (copy / f"{vm}.{image.name.partition('.')[2]}").write_bytes(data[:cut])
        if marker:
            (copy / marker).touch()
        return copy


def digest(tree: Path) -> str:
    """Return a digest of all names, contents, modes and times of change below a folder."""
    total = hashlib.sha256()
    for folder, _, files in sorted(os.walk(tree)):
        for path in (Path(folder), *(Path(folder, name) for name in sorted(files))):
            facts = path.lstat()
            total.update(repr((str(path.relative_to(tree)), facts.st_mode, facts.st_mtime_ns)).encode())
            if path.is_file():
                total.update(path.read_bytes())
    return total.hexdigest()
