"""The tree that NAU VMbackup 3.0 to 3.25 has written: a folder for each VM, and in it one for each copy."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from vmbackup.contracts import Named, Names, OtherNames
from vmbackup.twins import MARKERS

# Sites edit the separators, since shares of Windows take no colon.
_STAMP = re.compile(r"backup-([0-9]{4})\D?([0-9]{2})\D?([0-9]{2})\D{1,3}([0-9]{2})\D?([0-9]{2})\D?([0-9]{2})\D?")
_IMAGE = re.compile(r"(.+)\.(xva|raw|vhd)(\.gz)?")
Format = Literal["xva", "raw", "vhd"]


@dataclass(frozen=True, slots=True)
class OldImage:
    """The image of a copy: the file's name with its size in bytes, its stem, its format, and whether it is gzip."""

    file: Named
    stem: str
    format: Format
    gzip: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A folder that NAU VMbackup made for one copy of the VM `vm`; `taken` is UTC, from its name in local time.

    `marker` is the file that calls it good, or "". `left` says why it cannot be adopted, and is "" where it can.
    """

    folder: Names
    vm: str
    taken: datetime
    marker: str = ""
    image: OldImage | None = None
    left: str = ""

    @property
    def path(self) -> str:
        """How people know it."""
        return _shown(self.folder)


@dataclass(frozen=True, slots=True)
class Stranger:
    """Something among the copies that NAU VMbackup did not make, or that is no copy. It is never touched."""

    path: str
    what: str


def find(other: OtherNames, base: Names, ours: Collection[str]) -> Iterator[Copy | Stranger]:
    """Yield what lies below `base`, oldest first for each VM; `ours` are folders there that are vmbackup's own."""
    for vm in sorted(other.entries(base), key=lambda entry: entry.name):
        if vm.size is not None or vm.name in ours:
            continue
        below = sorted(other.entries((*base, vm.name)), key=lambda entry: entry.name)
        folders = [entry for entry in below if entry.size is None]
        copies = {entry.name: taken for entry in folders if (taken := moment_of(entry.name))}
        if not copies:
            dumps = vm.name.startswith("METADATA_")
            yield Stranger(_shown((*base, vm.name)), "dumps of the pool database" if dumps else "not a VM's copies")
            continue
        for entry in below:
            path = (*base, vm.name, entry.name)
            if entry.name in copies:
                yield _copy(other, path, vm.name, copies[entry.name])
            else:
                yield Stranger(_shown(path), "not a copy")


def moment_of(name: str) -> datetime | None:
    """Return the time that a copy's folder is named by, in UTC, or None for any other name."""
    match = _STAMP.fullmatch(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _shown(names: Names) -> str:
    return "/".join(names).encode(errors="replace").decode()


def _copy(other: OtherNames, folder: Names, vm: str, taken: datetime) -> Copy:
    try:
        "/".join(folder).encode()
    except UnicodeEncodeError:
        return Copy(folder, vm, taken, left="its name is not UTF-8")
    inside = [entry for entry in other.entries(folder) if entry.size is not None]
    marker = next((marker for marker in MARKERS if any(entry.name == marker for entry in inside)), "")
    images = [image for entry in inside if (image := _image(entry))]
    left = ""
    if not marker:
        left = "no marker calls it good: it has failed, or is being written"
    elif len(images) != 1:
        names = ", ".join(image.file.name for image in images)
        left = f"it has {len(images)} images: {names}" if images else "there is no image in it"
    elif images[0].gzip and images[0].format != "xva":
        left = "its image was compressed after the export, and no pool takes it so: gunzip it first"
    return Copy(folder, vm, taken, marker, images[0] if len(images) == 1 else None, left)


def _image(entry: Named) -> OldImage | None:
    match = _IMAGE.fullmatch(entry.name)
    formats: dict[str, Format] = {"xva": "xva", "raw": "raw", "vhd": "vhd"}
    return OldImage(entry, match[1], formats[match[2]], gzip=bool(match[3])) if match else None
