"""A folder of this machine as a target."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from vmbackup import Settings, TargetError, TargetNotProven
from vmbackup_targets.filesystem import holding
from vmbackup_targets.folder import FolderTarget


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    return path


class LocalSettings(Settings):
    """Where the folder is."""

    path: Annotated[Path, AfterValidator(_absolute)] = Field(description="an absolute path; the folder must exist")
    filesystem: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{4,}(-[0-9A-Fa-f]{4,})*$",
        description="the UUID of the file system that the folder must be on, as `lsblk -f` shows it",
    )


class Local(FolderTarget[LocalSettings]):
    """A folder of this machine: an own disk, a USB disk, or whatever the administrator has mounted there."""

    name = "local"
    Settings = LocalSettings

    def __enter__(self) -> Self:
        """Open the folder. Raises TargetError if it is not there, and TargetNotProven if it is on another disk."""
        try:
            root = self.open_root(self.settings.path)
        except TargetError as error:
            # Where disks are mounted by a desktop, the folder comes and goes with the disk.
            if self.settings.filesystem and isinstance(error.__cause__, FileNotFoundError):
                raise self._not_proven("is not there") from error
            raise
        try:
            self._prove(root)
        except BaseException:
            self.close_root()
            raise
        return self

    def _prove(self, root: int) -> None:
        wanted = self.settings.filesystem
        if wanted is None:
            return
        with self.explained("looked at"):
            found = holding(root)
        if found.uuid.casefold() != wanted.casefold():
            raise self._not_proven(f"is on the file system {found}")

    def _not_proven(self, what: str) -> TargetNotProven:
        return TargetNotProven(
            f"target {self.label}: {self.settings.path} {what}, the configuration says {self.settings.filesystem}",
            advice="Is the disk attached and mounted? `lsblk -f` shows the UUIDs of all that are.",
        )
