"""Promises of a mirror about copies that are cut short, and about damage: none of it counts, and it is mended."""

from pathlib import Path
from tempfile import TemporaryDirectory

from vmbackup.conformance.holding import require
from vmbackup.conformance.originals import Failing, original
from vmbackup.conformance.places import Place, copy, require_holds, require_no_manifest, require_whole
from vmbackup.contracts import Mirror, Original
from vmbackup.errors import ImageError, TargetError
from vmbackup.settings import Settings

CUT = ("begun.json", "image.xva", "DISK-xvda/vdi.cfg", "manifest.json")


def counts_nothing_half(mirror: Mirror[Settings], place: Place) -> None:
    """A copy that is cut short in any of its files is not held, and the next one completes it."""
    for number, name in enumerate(CUT):
        error = TargetError("of where the backup lies, and not of the mirror")
        _require_raised(mirror, original(number, failing=Failing(name, error)), error)
        require_no_manifest(place, original(number).folder)
    require_holds(mirror)
    for number in range(len(CUT)):
        made = original(number)
        copy(mirror, made)
        require_whole(place, made.folder, made.contents)
    require_holds(mirror, *(original(number).folder for number in range(len(CUT))))


def passes_no_damage_on(mirror: Mirror[Settings], place: Place) -> None:
    """What is not what was backed up has no manifest on the mirror: the same error goes on, and nothing is held."""
    with TemporaryDirectory(prefix="vmbackup-original-") as paths:
        for number, (name, by_path) in enumerate([(CUT[1], False), (CUT[1], True), (CUT[2], False), (CUT[2], True)]):
            error = ImageError(f"{name} has changed", position=number)
            failing = Failing(name, error)
            _require_raised(
                mirror, original(number, failing=failing, paths=Path(paths, str(number)) if by_path else None), error
            )
            require_no_manifest(place, original(number).folder)
    require_holds(mirror)


def mends_what_is_wrong(mirror: Mirror[Settings], place: Place) -> None:
    """What lies there without a manifest and differs, in a byte, in its length, or altogether, is replaced."""
    made = original()
    error = TargetError("cut before the manifest")
    _require_raised(mirror, original(failing=Failing("manifest.json", error)), error)
    changed = bytearray(made.contents["image.xva"])
    changed[len(changed) // 2] ^= 1
    place.put(f"{made.folder}/image.xva", bytes(changed))
    place.put(f"{made.folder}/disk-0.raw", made.contents["disk-0.raw"][:-1])
    place.put(f"{made.folder}/ova.xml", made.contents["ova.xml"] + b"x")
    place.put(f"{made.folder}/vm.cfg", b"something else")
    place.put(f"{made.folder}/DISK-xvda/vdi.cfg", b"")
    copy(mirror, made)
    require_holds(mirror, made.folder)
    require_whole(place, made.folder, made.contents)


def _require_raised(mirror: Mirror[Settings], given: Original, error: Exception) -> None:
    try:
        mirror.copy(given)
    except Exception as raised:  # noqa: BLE001 - which one it is, is the question
        require(raised is error, f"the original raised {error!r}, copy raised {raised!r}")
    else:
        require(kept=False, message=f"the original raised {error!r}, and copy returned")
