"""An old configuration as the text of one of ours: each line with a comment that says where it comes from."""

import json
from collections.abc import Iterable, Iterator, Mapping

import tomlkit

from vmbackup.config import Section
from vmbackup.metadata import one_line
from vmbackup.nau.conversion import TARGET, Converted
from vmbackup.nau.reading import Reading

DEFAULT = "as NAU VMbackup has it where nothing is said"


def text_of(converted: Converted, pool: Section, about_pool: Mapping[str, str]) -> str:
    """Return the whole file; `about_pool` has a comment for each key of `pool` that needs one."""
    return "\n".join(_lines(converted, pool, about_pool)) + "\n"


def _lines(converted: Converted, pool: Section, about_pool: Mapping[str, str]) -> Iterator[str]:
    reading = converted.reading
    yield f"# {one_line(reading.path)}, a configuration of NAU VMbackup {reading.dialect}, as one of vmbackup's."
    yield from (f"# {one_line(f'{reading.place(note.number)}: {note.text}')}" for note in reading.notes)
    if converted.state:
        yield f"state = {_value(converted.state)}"
    yield from _section("[pool]", pool, about_pool)
    about_target = {"path": _from(reading, "backup_dir"), "id": "of the folder, as it was set up"}
    yield from _section(f"[targets.{TARGET}]", converted.target, about_target)
    if not converted.identity:
        yield f"# Before the first run, once: vmbackup nau PASSWORD-FILE {one_line(reading.path)} init"
        yield "# and then import again: here follows its id."
    for label, section in converted.methods.items():
        yield from _section(f"[methods.{label}]", _as_section(section), {"format": _from(reading, "vdi_export_format")})
    for label, section in converted.more.get("notifiers", {}).items():
        yield from _section(f"[notifiers.{_key(label)}]", _as_section(section), {})
    for label, section in converted.reporters.items():
        about = {"path": _from(reading, "status_log")} if label not in converted.more.get("reporters", {}) else {}
        yield from _section(f"[reporters.{_key(label)}]", _as_section(section), about)
    yield from _job(converted)


def _job(converted: Converted) -> Iterator[str]:
    reading, job = converted.reading, converted.job
    name = _key(converted.job_name)
    about = {
        "keep": _from(reading, "max_backups"),
        "pool-database": _from(reading, "pool_db_backup"),
        "compress": "compress=True; on this machine, so that dom0 need not",
    }
    plain = {key: value for key, value in job.items() if key not in {"vms", "exclude"}}
    yield from _section(f"[jobs.{name}]", plain, about)
    for entry, section in zip(converted.entries, _sections(job["vms"]), strict=True):
        keep = f":{entry.of.keep}" if entry.of.keep else ""
        comment = f"line {entry.of.number}: {entry.of.kind}={entry.of.written}{keep}"
        yield from _section(f"[[jobs.{name}.vms]]", section, {"match": comment})
    for exclude in converted.excludes:
        comment = f"line {exclude.of.number}: exclude={exclude.of.written}"
        yield from _section(f"[[jobs.{name}.exclude]]", {"match": exclude.match}, {"match": comment})


def _section(header: str, section: Section, about: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield header
    for key, value in section.items():
        comment = f"    # {one_line(about[key])}" if key in about else ""
        yield f"{_key(key)} = {_value(value)}{comment}"


def _from(reading: Reading, key: str) -> str:
    return f"line {reading.lines[key]}: {key}" if key in reading.lines else DEFAULT


def _key(key: str) -> str:
    return tomlkit.key(key).as_string()


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    if isinstance(value, str):
        # Regular expressions are legible where a backslash is one.
        literal = "\\" in value and "'" not in value and value.isprintable()
        return tomlkit.string(value, literal=literal).as_string()
    return json.dumps(value)


def _sections(value: object) -> Iterable[Section]:
    return [_as_section(one) for one in value] if isinstance(value, list) else []


def _as_section(value: object) -> Section:
    return {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}
