"""Which SR takes the copy of a VM that is to stay, and whether it has the room. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup.errors import PlanError
from vmbackup.headroom import Margin, volume
from vmbackup.models import Disk, Place


def place_for(wanted: str, disks: Sequence[Disk], places: Sequence[Place]) -> Place:
    """Return the SR called `wanted`, by UUID or name, where disks can be copied to. Raises PlanError.

    One host has to see both (xapi: message_forwarding.ml).
    """
    found = [place for place in places if wanted in {place.sr.uuid, place.sr.name}]
    if not found:
        names = ", ".join(sorted(repr(place.sr.name) for place in places if not place.library))
        raise PlanError(f"there is no SR {wanted!r} in the pool for the copy", advice=f"There are {names}.")
    if len(found) > 1:
        uuids = ", ".join(place.sr.uuid for place in found)
        raise PlanError(f"{len(found)} SRs of the pool are called {wanted!r}", advice=f"Name one by its UUID: {uuids}.")
    (place,) = found
    if place.library:
        raise PlanError(f"the SR {place.sr.name!r} takes no disks of VMs, and so no copy", advice="Name another.")
    if not place.hosts:
        raise PlanError(
            f"the SR {place.sr.name!r}, which is to take the copy, is attached to no host",
            advice="Plug it (xe pbd-plug), or name another.",
        )
    seeing = {other.sr.uuid: other.hosts for other in places}
    for disk in disks:
        if not seeing.get(disk.sr.uuid, place.hosts) & place.hosts:
            raise PlanError(
                f"no host sees both the disk {disk.name!r} on {disk.sr.name!r} and the SR {place.sr.name!r}",
                advice="Name an SR for the copy that is shared, or is on the same host.",
            )
    return place


@dataclass(frozen=True, slots=True)
class Need:
    """What a copy takes of its SR, in bytes: `most` once its disks are full, `least` in any case."""

    most: int
    least: int


def need_of(disks: Sequence[Disk], place: Place) -> Need:
    """Return what a copy of these disks needs.

    A thick SR takes the whole of them at once. To a thin one goes what is in them: no less than a thin SR says that
    they take themselves, and how much a thick one holds nobody knows beforehand.
    """
    most = sum(volume(disk.virtual_size) for disk in disks)
    if place.sr.thick:
        return Need(most, most)
    held = (0 if disk.sr.thick else min(disk.physical_utilisation, disk.virtual_size) for disk in disks)
    return Need(most, sum(held))


def shortage(need: int, place: Place, margin: Margin, taken: int = 0) -> str:
    """Say what lacks for so many bytes on an SR of which others take `taken`; "" if nothing does, or nobody knows."""
    free, kept = place.sr.free, margin.kept_free(place.sr)
    if free is None or free - taken >= need + kept:
        return ""
    others = f", {taken:,} of them for the copies before it" if taken else ""
    return f"the SR {place.sr.name!r} has {free:,} bytes free{others}; the copy needs {need:,}, and {kept:,} stay free"


ROOM_ADVICE = "Free space on the SR, or name another for the copy; pool.snapshots.keep-free is what has to stay free."
