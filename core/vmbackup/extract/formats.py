"""The formats of a disk in a file: raw is what we write, the others `qemu-img` makes of it."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from vmbackup.errors import ConfigError, RestoreError

Format: TypeAlias = Literal["raw", "vhd", "qcow2"]

_BY_SUFFIX: Mapping[str, Format] = {".raw": "raw", ".vhd": "vhd", ".qcow2": "qcow2"}
# Without force_size a VHD has the size of the next cylinders and heads, and its disk an end that no host expects.
_OPTIONS: Mapping[Format, tuple[str, ...]] = {
    "vhd": ("-O", "vpc", "-o", "subformat=dynamic,force_size=on"),
    "qcow2": ("-O", "qcow2"),
}


def format_of(path: Path) -> Format:
    """Tell the format from the end of a file's name. Raises ConfigError for another, or where its tool is missing."""
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise ConfigError(
            f"the name {path.name!r} tells no format",
            advice=f"Let it end in one of {', '.join(_BY_SUFFIX)}.",
        )
    if found in _OPTIONS:
        _tool(found)
    return found


def convert(raw: Path, made: Path, form: Format) -> None:
    """Write what `raw` holds to `made`, which is there already and keeps its owner and mode. Raises RestoreError."""
    words = [_tool(form), "convert", "-f", "raw", *_OPTIONS[form], str(raw), str(made)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, errors="replace")  # noqa: S603 - the words are ours
    if done.returncode != 0:
        said = done.stderr.strip() or f"it ended with {done.returncode}"
        raise RestoreError(
            f"qemu-img could not make the {form}: {said.removeprefix('qemu-img: ')}",
            advice=f"Its folder needs room for the disk's data twice, as raw and as {form}; an OUT.raw needs it once.",
        )


def _tool(form: Format) -> str:
    found = shutil.which("qemu-img")
    if found is None:
        raise ConfigError(
            f"a {form} takes qemu-img, which is not installed",
            advice="apt-get install qemu-utils; or let OUT end in .raw, which takes nothing.",
        )
    return found
