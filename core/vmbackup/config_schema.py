"""The JSON Schema of the whole configuration file, for editors: the core's part and the sections of all plugins.

Which plugin a section is for decides what else it may say, by `if` and `then`: a wrong key is then told as such, while
of a section that fits none of several (`oneOf`) a validator says only that. Editors that complete keys know `anyOf` but
neither `if` nor `then`, so that each section names its plugins in an `anyOf` too, which refuses nothing.
"""

import re
from collections.abc import Mapping

from vmbackup.config import LABEL, Config, MirrorRules, NotifierRules, TargetRules
from vmbackup.contracts import Compressor, Method, Mirror, Notifier, Reporter, Target
from vmbackup.registry import Registry
from vmbackup.settings_schema import Schema, schema_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECTIONS = {
    "targets": Target.kind,
    "mirrors": Mirror.kind,
    "methods": Method.kind,
    "notifiers": Notifier.kind,
    "reporters": Reporter.kind,
}
# Keys that the core reads in a section itself, beside those of the plugin.
OURS: Mapping[str, Schema] = {
    Target.kind: schema_of(TargetRules)["properties"],
    Mirror.kind: schema_of(MirrorRules)["properties"],
    Notifier.kind: schema_of(NotifierRules)["properties"],
}


def config_schema(registry: Registry) -> Schema:
    """Return the schema of a configuration that names the plugins of `registry`."""
    schema = schema_of(Config)
    defs: dict[str, Schema] = schema["$defs"]
    for section, kind in SECTIONS.items():
        refs = _defined(kind, {"type": {}, **OURS.get(kind, {})}, registry, defs)
        defs[kind] = _discriminated("type", refs)
        table = schema["properties"][section]
        table["patternProperties"] = {LABEL: {"$ref": f"#/$defs/{kind}"}}
        if kind == Method.kind:
            # The label of a method is its type where it says none.
            named = {"if": {"required": ["type"]}, "then": {"$ref": f"#/$defs/{kind}"}}
            table["properties"] = {name: {**named, "else": ref} for name, ref in refs.items()}
    for table in schema["properties"].values():
        if "patternProperties" in table:
            (table["additionalProperties"],) = table.pop("patternProperties").values()
            table["propertyNames"] = {"pattern": LABEL}
    defs["Compress"] = _compress(defs["Compress"], registry, defs)
    return {"$schema": DIALECT, "title": "vmbackup.toml", **schema}


def _defined(kind: str, ours: Schema, registry: Registry, defs: dict[str, Schema]) -> dict[str, Schema]:
    """Define the section of each plugin of a kind, in which the core reads the keys `ours`; return refs by names."""
    refs = {}
    for (of_kind, name), registered in sorted(registry.plugins.items()):
        if of_kind != kind:
            continue
        # Whatever a name holds, a reference is a URI with a JSON pointer in it.
        own = f"{kind}." + re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}", name)
        settings = schema_of(registered.plugin.Settings, f"#/$defs/{own}.{{model}}")
        for inner, definition in settings.pop("$defs", {}).items():
            defs[f"{own}.{inner}"] = definition
        properties = {**ours, **settings.get("properties", {})}
        defs[own] = {**settings, "title": f"{kind} {name}", "description": registered.summary, "properties": properties}
        refs[name] = {"$ref": f"#/$defs/{own}"}
    return refs


def _discriminated(key: str, refs: Mapping[str, Schema]) -> Schema:
    """Return the schema of a section in which `key` says which plugin it is for."""
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(refs), "description": "which plugin this is"}},
        "allOf": [{"if": _says(key, name), "then": ref} for name, ref in refs.items()],
        "anyOf": [*refs.values(), {}],
    }


def _compress(core: Schema, registry: Registry, defs: dict[str, Schema]) -> Schema:
    """Return the schema of `compress`: what a compressor of ours may be told, and nothing where the host compresses."""
    kinds = [registered.plugin for registered in registry.plugins.values()]
    packings = sorted({packing for kind in kinds if issubclass(kind, Method) for packing in kind.packings})
    properties = core["properties"]
    by_host = {"properties": {**properties, "with": {"enum": packings}}, "additionalProperties": False}
    refs = _defined(Compressor.kind, properties, registry, defs)
    return {**core, "if": _says("when", "host"), "then": by_host, "else": _discriminated("with", refs)}


def _says(key: str, value: str) -> Schema:
    return {"properties": {key: {"const": value}}, "required": [key]}
