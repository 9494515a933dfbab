"""Promises of a mirror about whole copies: all of it arrives, and is held."""

from pathlib import Path
from tempfile import TemporaryDirectory

from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import require
from vmbackup.conformance.originals import MadeOriginal, contents, folder, original
from vmbackup.conformance.places import Place, copy, require_holds, require_whole
from vmbackup.contracts import Mirror
from vmbackup.settings import Settings

LARGE = 64 * MIB
ALLOWED = 40 * MIB


def holds_nothing_at_first(mirror: Mirror[Settings], place: Place) -> None:
    """A place on which no backup lies holds none, whatever else is there."""
    require_holds(mirror)
    place.put("holidays/2025/beach/photo.jpg", noise(100))
    place.put("holidays/2025/beach/manifest.txt", b"{}")
    place.put("notes.txt", b"of somebody")
    require_holds(mirror)


def keeps_every_file(mirror: Mirror[Settings], place: Place) -> None:
    """A backup that was copied is held; all of its files are there, byte for byte, in their folders, and no others."""
    made = [
        original(0),
        original(1),
        MadeOriginal(folder(2), contents(2), generation=2),
        MadeOriginal(folder(0, "another-pool--5b1d8a52/web-01--7d2e4f3a"), contents(seed="other")),
        MadeOriginal("pool-database/20260314T220000Z-3f9a", {"pool.xml": noise(5000), "RESTORE.txt": b"x"}),
    ]
    for one in made:
        copy(mirror, one)
    require_holds(mirror, *(one.folder for one in made))
    for one in made:
        require_whole(place, one.folder, one.contents)


def copies_from_paths(mirror: Mirror[Settings], place: Place) -> None:
    """A backup whose files other programs find is copied as well as one that can only be fetched."""
    with TemporaryDirectory(prefix="vmbackup-original-") as paths:
        made = original(paths=Path(paths))
        copy(mirror, made)
    require_holds(mirror, made.folder)
    require_whole(place, made.folder, made.contents)


def copies_twice(mirror: Mirror[Settings], place: Place) -> None:
    """Copying what is there already is no error, and leaves it as it is."""
    made = original()
    for _ in range(2):
        copy(mirror, made)
        require_holds(mirror, made.folder)
        require_whole(place, made.folder, made.contents)


def needs_little_memory(mirror: Mirror[Settings], place: Place) -> None:
    """A large file is copied without being kept in memory."""
    watched = _Watched(folder(0), {"image.xva": noise(LARGE)})
    copy(mirror, watched)
    require(
        watched.peak - watched.begun <= ALLOWED,
        f"copying {LARGE // MIB} MiB took {(watched.peak - watched.begun) // MIB} MiB of memory;"
        f" {ALLOWED // MIB} are allowed",
    )
    require_whole(place, watched.folder, watched.contents)


class _Watched(MadeOriginal):
    """An original that looks, whenever something moves, how much memory this process has."""

    begun = 0
    peak = 0

    def moved(self) -> None:
        now = _resident()
        self.begun = self.begun or now
        self.peak = max(self.peak, now)
        super().moved()


def _resident() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) << 10
