"""A new plugin's distribution, written from the templates of its kind: it works, and its tests pass, from the start.

A kind of plugin is a folder in `plugin_templates`, beside `common`, which every kind has. `.txt` at the end of a name
goes, and a folder `package` gets the name of the module. `usage.toml.txt` is shown in the README.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from string import Template

from vmbackup.errors import ConfigError
from vmbackup.version import __version__

COMMON, USAGE, PACKAGE, SUFFIX = "common", "usage.toml.txt", "package", ".txt"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """What a new plugin is called: `name` in the configuration, and what follows from that."""

    kind: str
    name: str

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be one."""
        if self.kind not in kinds():
            raise ConfigError(f"there is no kind {self.kind!r}", advice=f"Take one of {', '.join(kinds())}.")
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} is no name for a plugin", advice="Write it in small letters, digits and dashes: my-nas."
            )

    @property
    def distribution(self) -> str:
        """The name of the distribution, by which it is installed."""
        return f"vmbackup-{self.name}"

    @property
    def module(self) -> str:
        """The name of its package."""
        return f"vmbackup_{self.name.replace('-', '_')}"

    @property
    def class_name(self) -> str:
        """The name of its class; the kind in it keeps it from being the name of something that the module imports."""
        return "".join(word.capitalize() for word in (*self.name.split("-"), self.kind))


def kinds() -> list[str]:
    """Return the kinds that there are templates for."""
    return sorted(folder.name for folder in _templates().iterdir() if folder.is_dir() and folder.name != COMMON)


def render(plugin: NewPlugin) -> dict[PurePosixPath, str]:
    """Return the files of a new plugin's distribution by their paths in it."""
    own = _templates() / plugin.kind
    words = {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "module": plugin.module,
        "class_name": plugin.class_name,
        "version": __version__,
    }
    words["usage"] = Template((own / USAGE).read_text(encoding="utf-8")).substitute(words)
    found = {}
    for folder in (_templates() / COMMON, own):
        for path, text in _below(folder, PurePosixPath()):
            if path.name != USAGE:
                found[_renamed(path, plugin.module)] = Template(text).substitute(words)
    return found


def write(plugin: NewPlugin, above: Path) -> Path:
    """Write a new plugin's distribution into a new folder in `above`, and return it. Raises ConfigError."""
    if find_spec(plugin.module) is not None:
        raise ConfigError(f"there is a module {plugin.module} already", advice="Take another name.")
    folder = above / plugin.distribution
    try:
        folder.mkdir()
        _write(folder, render(plugin))
    except FileExistsError:
        raise ConfigError(f"{folder} is there already", advice="Take another name, or another --dir.") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", advice="Name another --dir.") from error
    return folder


def _write(folder: Path, found: Mapping[PurePosixPath, str]) -> None:
    for path, text in found.items():
        place = folder / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _templates() -> Traversable:
    return files("vmbackup") / "plugin_templates"


def _below(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, at / entry.name)
        else:
            yield at / entry.name, entry.read_text(encoding="utf-8")


def _renamed(path: PurePosixPath, module: str) -> PurePosixPath:
    return PurePosixPath(
        *(module if part == PACKAGE else part for part in path.parts[:-1]), path.name.removesuffix(SUFFIX)
    )
