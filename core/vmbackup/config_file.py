"""Reading the configuration file: every problem at once, each with its place and the nearest right name."""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from vmbackup.config import Config, PluginsSection
from vmbackup.errors import ConfigError

DEFAULT_PATHS = (Path("vmbackup.toml"), Path("/etc/vmbackup/vmbackup.toml"))
Location = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong: where in the tree of the file, and what."""

    location: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that has been read: the configuration, where its keys stand, and whether others may read it."""

    path: Path
    text: str
    config: Config
    shared: bool = False

    def refuse(self, problems: Iterable[ConfigProblem]) -> None:
        """Raise one ConfigError for all `problems`, if there are any."""
        refuse(self.path, self.text, problems)


def find(given: Path | None) -> Path:
    """Return the file to read: the given one, or the first of the usual that is there."""
    if found := _found(given):
        return found
    raise ConfigError(
        f"there is no configuration: neither {' nor '.join(str(path) for path in DEFAULT_PATHS)}",
        advice="Name one with --config FILE; `vmbackup demo` shows a whole one at work.",
    )


def load(path: Path) -> ConfigFile:
    """Read and check a configuration file. Raises ConfigError with every problem that was found."""
    text, status, tree = read_tree(path)
    try:
        return ConfigFile(path, text, Config.model_validate(tree), shared=_is_shared(status))
    except ValidationError as error:
        refuse(path, text, problems_of(error, Config))
        raise


def load_plugins(given: Path | None) -> PluginsSection:
    """Return `[plugins]` of the configuration, if there is one, whatever else may be wrong with it."""
    path = _found(given)
    if path is None:
        return PluginsSection()
    text, _, tree = read_tree(path)
    try:
        return PluginsSection.model_validate(tree.get("plugins", {}))
    except ValidationError as error:
        refuse(path, text, problems_of(error, PluginsSection, ("plugins",)))
        raise


def _found(given: Path | None) -> Path | None:
    if given is not None:
        return given
    if named := os.environ.get("VMBACKUP_CONFIG"):
        return Path(named)
    return next((path for path in DEFAULT_PATHS if path.exists()), None)


def read_tree(path: Path) -> tuple[str, os.stat_result, dict[str, object]]:
    """Read a TOML file that is its owner's alone: its text, what it is, and its tree. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read()
        text = data.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}", advice="Name another with --config FILE."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: not TOML that we read: it is nested too deep") from None
    _check_owner(path, status, tree)
    return text, status, tree


def refuse(path: Path, text: str, problems: Iterable[ConfigProblem]) -> None:
    """Raise one ConfigError for all `problems`, each with its line, if there are any."""
    lines = [
        f"{path}:{_line(text, problem.location)}: {_dotted(problem.location)}: {problem.message}"
        for problem in problems
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def problems_of(error: ValidationError, model: type[BaseModel], at: Location = ()) -> list[ConfigProblem]:
    """Return what pydantic found, in our words; `at` is where the section that was checked stands."""
    found = []
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_below(detail["loc"], other["loc"]) for other in details):
            continue  # it counts only those members that are right
        place = tuple(part for part in detail["loc"] if part not in {"function-before[_source()]", "SecretSource"})
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            known = _known(model, place[:-1])
            close = difflib.get_close_matches(str(place[-1]), known, n=1)
            message = "there is no such key" + (
                f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
            )
        elif detail["type"] == "missing":
            message = "this key is missing"
        elif place[-1:] == ("[key]",):
            place = place[:-1]
            message = "a label is made of letters, digits, '.', '_' and '-', and begins with a letter or a digit"
        found.append(ConfigProblem((*at, *place), message))
    return found


def _below(place: Location, other: Location) -> bool:
    return len(other) > len(place) and other[: len(place)] == place


def _known(model: type[BaseModel], place: Location) -> list[str]:
    """Return the keys that the section at `place` may have, by walking down the models."""
    current = model
    for part in place:
        for name, field in current.model_fields.items():
            if part in {name, field.alias}:
                current = next(iter(_models(field.annotation)), current)
    return [field.alias or name for name, field in current.model_fields.items()]


def _models(annotation: object) -> list[type[BaseModel]]:
    """Return the models inside an annotation, such as those of `tuple[Selected, ...]` or `Keep | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]


def _check_owner(path: Path, status: os.stat_result, tree: Mapping[str, object]) -> None:
    """Refuse a file that others may write, or that others may read while a secret stands in it."""
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigError(f"{path}: it belongs to another user, who could have any command run", advice=f"chown {path}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path}: others than its owner may write it", advice=f"chmod go-w {path}")
    if _is_shared(status) and _holds_secret(tree):
        raise secret_shown(path)


def secret_shown(path: Path) -> ConfigError:
    """Return the refusal of a file that holds a secret and may be read by others."""
    return ConfigError(
        f"{path}: it holds a password and others than its owner may read it",
        advice=f'chmod 600 {path}, or better: password = {{ file = "…" }}',
    )


def _is_shared(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _holds_secret(tree: object) -> bool:
    if isinstance(tree, dict):
        return any(
            (key in {"password", "secret", "token"} and _in_clear(value)) or _holds_secret(value)
            for key, value in tree.items()
        )
    return isinstance(tree, list) and any(_holds_secret(item) for item in tree)


def _in_clear(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and "value" in value)


def _dotted(location: Location) -> str:
    """Return a location as TOML would write it, with list members counted from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def _line(text: str, location: Location) -> int:
    """Return the line on which a location most likely stands: its own, or that of the nearest section above it."""
    best, best_depth = 1, 0
    section: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        path = section
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            section = []
            for name in _split(header[2]):
                section += [counts[tuple(section)], name] if tuple(section) in counts else [name]
            if header[1] == "[[":
                counts[tuple(section)] = counts.get(tuple(section), -1) + 1
                section.append(counts[tuple(section)])
            path = section
        elif key := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line):
            path = [*section, *_split(key[1])]
            inner = next(
                (part for part in location[len(path) :] if re.search(rf"\b{re.escape(str(part))}\b", line)), None
            )
            path = [*path, inner] if inner is not None and list(location[: len(path)]) == path else path
        depth = min(len(path), len(location))
        if list(location[:depth]) == path[:depth] and depth > best_depth:
            best, best_depth = number, depth
    return best


def _split(key: str) -> Iterable[str]:
    return (part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", key))
