"""Making VDIs in the pool and filling them from a backup: from a disk's own image, or from a whole VM's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from typing_extensions import Buffer

from vmbackup.images import vhd_size, vhd_stream
from vmbackup.restore.disk_blocks import disk_blocks
from vmbackup.restore.ends import Destination, Source
from vmbackup.restore.wishes import PlannedDisk, RestorePlan
from vmbackup.xapi.hosts import address_for
from vmbackup.xapi.marks import RESTORING
from vmbackup.xapi.transfers import Request, upload

Used = Mapping[str, Sequence[int]]


def make_disks(source: Source, destination: Destination, plan: RestorePlan, used: Used) -> dict[str, str]:
    """Make the plan's disks and fill them; return their references by their UUIDs in the image.

    `used` are the blocks that hold something, by the same UUIDs, where the image is of a whole VM.
    """
    image = source.backup.manifest.image
    assert image is not None  # noqa: S101 - the plan has looked
    session = destination.session
    made = {
        planned.disk.uuid: str(session.call("VDI.create", _new_vdi(source, planned, destination.sign)))
        for planned in plan.disks
    }
    if image.format != "xva":
        (planned,) = plan.disks
        pieces, size = source.pieces(force=plan.force), source.image.content_size
        if image.format == "raw" and size > planned.disk.virtual_size:
            # Others keep the zeros that a host may send behind the disk, and a pool takes no more than the disk.
            size = planned.disk.virtual_size
            pieces = _within(pieces, size)
        _fill(destination, _request(source, planned, made, image.format), planned, pieces, size)
        return made
    by_uuid = {planned.disk.uuid: planned for planned in plan.disks}
    blocks = disk_blocks(source.pieces(force=False), image, source.image, used)
    # What is in no group has nothing but zeros, as a new VDI has.
    for uuid, group in groupby(blocks, itemgetter(0)):
        planned, size = by_uuid[uuid], by_uuid[uuid].disk.virtual_size
        body = vhd_stream(size, used[uuid], map(itemgetter(1), group))
        _fill(destination, _request(source, planned, made, "vhd"), planned, body, vhd_size(size, used[uuid]))
    return made


def _within(pieces: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """Yield the first `size` bytes, and read on: at their end alone the pieces are proven."""
    for piece in pieces:
        inside = memoryview(piece).cast("B")[:size]
        size -= len(inside)
        if inside:
            yield inside


def _new_vdi(source: Source, planned: PlannedDisk, sign: str) -> dict[str, object]:
    address = source.backup.address
    return {
        "SR": planned.storage.ref,
        "name_label": planned.disk.name or f"restored from {address}",
        "name_description": f"restored by vmbackup from {address}",
        "virtual_size": str(planned.disk.virtual_size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {RESTORING: sign},
    }


def _request(source: Source, planned: PlannedDisk, made: Mapping[str, str], form: str) -> Request:
    doing = f"import of {planned.disk.name!r} of {source.backup.address}"
    return Request("/import_raw_vdi", {"vdi": made[planned.disk.uuid], "format": form}, doing)


def _fill(
    destination: Destination, request: Request, planned: PlannedDisk, pieces: Iterable[Buffer], size: int
) -> None:
    address = address_for(destination.session, planned.storage.ref)
    upload(destination.session, destination.journal, request, pieces, size, address=address)
