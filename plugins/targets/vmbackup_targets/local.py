"""A folder of this machine as a target."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from vmbackup import Settings
from vmbackup_targets.folder import FolderTarget


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    return path


class LocalSettings(Settings):
    """Where the folder is."""

    path: Annotated[Path, AfterValidator(_absolute)] = Field(description="an absolute path; the folder must exist")


class Local(FolderTarget[LocalSettings]):
    """A folder of this machine: an own disk, a USB disk, or whatever the administrator has mounted there."""

    name = "local"
    Settings = LocalSettings

    def __enter__(self) -> Self:
        """Open the folder. Raises TargetError if it is not there; it is never made."""
        self.open_root(self.settings.path)
        return self
