"""An export of an NFS server as a target: mounted privately, or found mounted, and proven before the first byte."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vmbackup import Leftover, Stored, TargetError, TargetNotProven
from vmbackup_targets.folder import FolderTarget
from vmbackup_targets.nfs.advice import ADVICE, SILENT, advice_on_mount
from vmbackup_targets.nfs.deadline import NoAnswer, within
from vmbackup_targets.nfs.mounting import MountFailed, mount, unmount
from vmbackup_targets.nfs.options import complete
from vmbackup_targets.nfs.private_point import PrivatePoint
from vmbackup_targets.nfs.root import NotThatMount, open_proven
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.share import Share

T = TypeVar("T")


class Nfs(FolderTarget[NfsSettings]):
    """An export of an NFS server, mounted by each run for itself, or by the administrator.

    Nothing is ever written into an unmounted folder: the folder is opened once, the kernel tells on which mount it
    lies, and all goes through that descriptor. Whatever waits for the server ends with TargetError after `patience`,
    but for `store`: how long a write may stand still is the business of who asks for it. Leaving the target ends such
    a write with an error where the mount is private.
    """

    name = "nfs"
    Settings = NfsSettings
    advice = ADVICE
    _point: PrivatePoint | None = None

    def __enter__(self) -> Self:
        """Mount, and open the folder. Raises TargetError, or TargetNotProven where something else is mounted."""
        if self.settings.path is not None:
            self._open(self.settings.path)
            return self
        if os.geteuid() != 0:
            raise TargetError(
                f"target {self.label}: only root may mount {self._share.source}",
                advice="Let the administrator mount it (fstab), and name the folder with `path`.",
            )
        self._remove_abandoned()
        with self.explained("mounted on"):
            point = PrivatePoint.claim()
        try:
            self._mount(point)
            self._open(point.path)
        except BaseException:
            self._leave(point)
            raise
        self._point = point
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Unmount what was mounted; a server that does not answer is left by force, which ends what waits for it."""
        self.close_root()
        point, self._point = self._point, None
        if point is not None:
            self._leave(point)

    def stat(self, key: str) -> Stored | None:
        """As in any folder, in time."""
        return self._in_time("looked at", key, partial(super().stat, key))

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """As in any folder, each piece in time."""
        pieces = super().fetch(key, offset, length)
        while (piece := self._in_time("read", key, partial(next, pieces, None))) is not None:
            yield piece

    def delete(self, key: str) -> None:
        """As in any folder, in time."""
        self._in_time("deleted", key, partial(super().delete, key))

    def free(self) -> int | None:
        """As in any folder, in time."""
        return self._in_time("asked for its free space", "", super().free)

    def discard(self, leftover: Leftover) -> None:
        """As in any folder, in time."""
        self._in_time("discarded", leftover.key, partial(super().discard, leftover))

    @property
    def _share(self) -> Share:
        return Share(self.settings.server, self.settings.export)

    def _remove_abandoned(self) -> None:
        """Unmount what dead processes of ours have left; what cannot be unmounted is tried again by the next run."""
        with suppress(OSError):
            for point in PrivatePoint.abandoned():
                self._leave(point)

    def _mount(self, point: PrivatePoint) -> None:
        source = self._share.source
        try:
            mount(source, point.path, complete(self.settings.options), self.settings.patience)
        except MountFailed as error:
            raise TargetError(
                f"target {self.label}: {source} could not be mounted: {error}", advice=advice_on_mount(str(error))
            ) from None

    def _leave(self, point: PrivatePoint) -> None:
        with suppress(OSError):
            unmount(point.path, self.settings.patience)
        point.remove()

    def _open(self, point: Path) -> None:
        below = self.settings.folder.split("/") if self.settings.folder else []
        folder = point.joinpath(*below)
        try:
            with self.explained("opened"):
                root = within(self.settings.patience, partial(open_proven, self._share, point, below), os.close)
        except NotThatMount as error:
            raise TargetNotProven(
                f"target {self.label}: {folder} is not {self._share.source}: {error}",
                advice=f"Mount the export at {point}; nothing has been written." if self.settings.path else "",
            ) from None
        except NoAnswer:
            raise self._silent("opened", "") from None
        self.take_root(root, folder)

    def _listing(self, prefix: str) -> list[tuple[str, os.stat_result]]:
        """As in any folder, in time; listings and the search for leftovers are made of these."""
        return self._in_time("listed", prefix, partial(super()._listing, prefix))

    def _leftover(self, prefix: str, name: str, last: str) -> Iterator[Leftover]:
        """As in any folder, in time."""
        found = super()._leftover(prefix, name, last)
        yield from self._in_time("looked at", f"{prefix}/{last}".lstrip("/"), lambda: list(found))

    def _in_time(self, doing: str, key: str, call: Callable[[], T]) -> T:
        try:
            return within(self.settings.patience, call)
        except NoAnswer:
            raise self._silent(doing, key) from None

    def _silent(self, doing: str, key: str) -> TargetError:
        seconds = self.settings.patience
        return TargetError(
            f"target {self.label}: {key or 'the folder'} could not be {doing}: "
            f"{self.settings.server} has not answered for {seconds} s",
            advice=SILENT,
        )
