"""What a configuration says of an NFS target."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from vmbackup import KeyRefused, Settings, check_key
from vmbackup_targets.nfs.options import checked


def _export(path: str) -> str:
    if not path.startswith("/") or path != os.path.normpath(path) or "\n" in path:
        raise ValueError("an export is an absolute path, such as /srv/backups")
    return path


def _below(folder: str) -> str:
    try:
        return check_key(folder) if folder else ""
    except KeyRefused as error:
        raise ValueError(f"a relative path of plain names, such as pool/backups: {error.message}") from None


def _absolute(path: Path | None) -> Path | None:
    if path is not None and not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    return path


class NfsSettings(Settings):
    """Which export, and how it is mounted."""

    server: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?$", description="a name or an address")
    export: Annotated[str, AfterValidator(_export)] = Field(description="the path that the server exports")
    folder: Annotated[str, AfterValidator(_below)] = Field(
        default="", description="a folder below the export, which must exist"
    )
    path: Annotated[Path | None, AfterValidator(_absolute)] = Field(
        default=None, description="where the export is mounted already; without it, each run mounts it privately"
    )
    options: Annotated[str, AfterValidator(checked)] = Field(
        default="", description="options of the private mount, as in nfs(5); `soft` unless `hard` is among them"
    )
    patience: int = Field(default=120, ge=1, description="seconds that the server may take for one answer")

    @model_validator(mode="after")
    def _options_of_whose_mount(self) -> Self:
        if self.path is not None and self.options:
            raise ValueError("options belong to a private mount; with `path`, whoever mounts it has chosen them")
        return self
