"""Second names of a backup's files, those that NAU VMbackup gave: laid beside a backup, or there first and adopted.

Both names of a file are hard links, so that it is stored once, and neither tells that it is "the" file.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import ValidationError

from vmbackup.contracts import Names, OtherNames, Target
from vmbackup.errors import TargetError
from vmbackup.manifest import Begun, Twin
from vmbackup.settings import Settings

# Each says that the copy is good; the first is the one that a backup gets.
MARKERS = ("success", "success_compress", "success_compressing", "success_restore")
XML = "vm-metadata.xml"
_METADATA = re.compile(r"vm-metadata\.xml|vm\.cfg|DISK-[^/]+/(vbd|vdi)\.cfg|VIFs/vif-[^/]+\.cfg")
_IMAGE = re.compile(r"(image|disk-[0-9]+)(\.[a-z0-9.]+)")


def new_twin(vm: str, started: datetime) -> Twin:
    """Return where NAU VMbackup would have put the backup of a VM of that name, begun at `started`: in local time.

    Raises TargetError where the name cannot be a folder's.
    """
    try:
        return Twin(folder=(vm, f"backup-{started.astimezone():%Y-%m-%d-(%H:%M:%S)}"), stem=vm)
    except ValidationError:
        raise TargetError(
            f'the name {vm!r} cannot be a folder\'s, as backup-layout = "nau" wants it',
            advice="Give the VM another name, or back it up to a target without that layout.",
        ) from None


def second_names(name: str, twin: Twin) -> Names | None:
    """Return the other names of a file of a backup, or None for what NAU VMbackup did not write."""
    if name == "ova.xml":
        return (*twin.folder, XML)
    if image := _IMAGE.fullmatch(name):
        return (*twin.folder, twin.stem + image[2])
    return (*twin.folder, *name.split("/")) if _METADATA.fullmatch(name) else None


def own_twin(target: Target[Settings], begun: Begun | None) -> Twin | None:
    """Return where a backup has second names that are ours to give: those of adopted ones are not."""
    twin = begun.twin if begun and target.other_names() else None
    return None if twin is None or twin.adopted else twin


def lay(target: Target[Settings], folder: str, files: Iterable[str], twin: Twin | None) -> None:
    """Give the files of the backup in `folder` their second names. Raises KeyExists where others have them."""
    other = target.other_names()
    if other is None or twin is None:
        return
    for name in files:
        if names := second_names(name, twin):
            other.give_names(f"{folder}/{name}", names)


def mark(target: Target[Settings], twin: Twin | None) -> None:
    """Say that the copy is good, as NAU VMbackup did."""
    other = target.other_names()
    if other and twin:
        other.mark((*twin.folder, MARKERS[0]))


def withdraw(target: Target[Settings], folder: str, keys: Iterable[str], twin: Twin | None) -> None:
    """Take the second names away: first what calls the copy good, then the image, then its metadata.

    `keys` are those of the backup in `folder`. Where another image has come to lie under the name, all stays: it is
    somebody else's copy now. So do files that NAU VMbackup did not write, or, where the names are ours, we did not.
    """
    other = target.other_names()
    if other is None or twin is None:
        return
    keys_of = {names: key for key in keys if (names := second_names(key.removeprefix(f"{folder}/"), twin))}
    images = {names: key for names, key in keys_of.items() if _is_image(key)}
    if not images or any(other.is_same(names, key) is False for names, key in images.items()):
        return
    for marker in MARKERS:
        other.remove((*twin.folder, marker))
    for names in images:
        other.remove(names)
    for names in list(metadata(other, twin.folder)):
        if twin.adopted or (names in keys_of and other.is_same(names, keys_of[names])):
            other.remove(names)


def metadata(other: OtherNames, folder: Names) -> Iterator[Names]:
    """Yield the small files that NAU VMbackup wrote into a copy's folder."""
    for entry in other.entries(folder):
        inner = [entry.name] if entry.size is not None else _below(other, folder, entry.name)
        yield from ((*folder, *name.split("/")) for name in inner if _METADATA.fullmatch(name))


def _below(other: OtherNames, folder: Names, name: str) -> list[str]:
    if not (name == "VIFs" or name.startswith("DISK-")):
        return []
    return [f"{name}/{entry.name}" for entry in other.entries((*folder, name)) if entry.size is not None]


def _is_image(key: str) -> bool:
    return _IMAGE.fullmatch(key.rpartition("/")[2]) is not None
