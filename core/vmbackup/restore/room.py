"""Whether the disks of a restore have room on their SRs. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from vmbackup.headroom import volume
from vmbackup.restore.wishes import PlannedDisk
from vmbackup.xapi.surroundings import Storage


def crowded(disks: Iterable[PlannedDisk]) -> Iterator[tuple[Storage, str, bool]]:
    """Yield the SRs that lack room, what is lacking, and whether that is sure: on a thin one, disks may never fill up.

    A thick SR needs the whole of a disk at once, a thin one what was in it. An SR that does not tell its size is
    believed to have room.
    """
    wanted: dict[Storage, list[PlannedDisk]] = defaultdict(list)
    for planned in disks:
        wanted[planned.storage].append(planned)
    for storage, on_it in wanted.items():
        free = storage.sr.free
        if free is None:
            continue
        whole = sum(volume(planned.disk.virtual_size) for planned in on_it)
        now = whole if storage.sr.thick else sum(planned.disk.data_bytes for planned in on_it)
        if free < whole:
            sure = free < now
            yield storage, f"{free:,} bytes are free, and {now if sure else whole:,} are needed", sure
