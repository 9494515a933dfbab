"""Promises of a mirror about what it tells: that a copy goes on, and that it cannot look."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import PromiseBroken, require
from vmbackup.conformance.originals import MadeOriginal, folder
from vmbackup.conformance.places import Place, copy, require_holds
from vmbackup.contracts import Mirror
from vmbackup.errors import VmbackupError
from vmbackup.settings import Settings

SLOW = 16 * MIB
SILENCE_SECONDS = 5.0


def tells_that_it_goes_on(mirror: Mirror[Settings], place: Place) -> None:
    """In a slow copy `moved` is told, or something fetched, every few seconds."""
    with TemporaryDirectory(prefix="vmbackup-original-") as paths:
        made = MadeOriginal(folder(0), {"image.xva": noise(SLOW)}, paths=Path(paths))
        copy(mirror, made)
    silence = max(after - before for before, after in pairwise(made.beats))
    require(silence < SILENCE_SECONDS, f"for {silence:.1f} s of a copy nothing was told")
    require_holds(mirror, made.folder)
    require("image.xva" in place.arrived(made.folder), "the image of a slow copy is not there")


def never_lists_short(mirror: Mirror[Settings]) -> None:
    """A place that cannot be looked at raises; it never seems to hold less than it does. The mirror is not entered."""
    try:
        with mirror:
            found = list(mirror.holds())
    except VmbackupError:
        return
    except Exception as error:
        raise PromiseBroken(f"a place that cannot be looked at raised {type(error).__name__}: {error}") from error
    raise PromiseBroken(f"a place that cannot be looked at seems to hold {found}")
