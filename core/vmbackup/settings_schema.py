"""What a section of the configuration may say: the settings of a plugin as JSON Schema, and in words for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from vmbackup.settings import SecretSource

Schema = dict[str, Any]
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "table"}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "below"}


class ForToml(GenerateJsonSchema):
    """What a TOML file may say: it has no null, so that what is optional is left out."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as the base declares it

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Describe what stands there if something does."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default that is nothing."""
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value is not None}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a section: `type` in words, `default` as TOML would write it, or None where there is none."""

    key: str
    type: str
    required: bool
    default: str | None
    description: str


def schema_of(model: type[BaseModel], refs: str = "#/$defs/{model}") -> Schema:
    """Return the JSON Schema of a section that `model` reads; `refs` says where its `$defs` will stand.

    A stranger's model may hold types that have no schema; then each of its keys may hold anything.
    """
    try:
        schema = model.model_json_schema(by_alias=True, ref_template=refs, schema_generator=ForToml)
    except Exception:  # noqa: BLE001 - a stranger's types may raise anything
        keys = {
            field.alias or name: {"description": field.description or ""} for name, field in model.model_fields.items()
        }
        required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
        return {"type": "object", "properties": keys, "required": required, "additionalProperties": False}
    if "$ref" in schema:
        # A model that holds itself is nothing but a reference.
        whole = next(found for name, found in schema["$defs"].items() if schema["$ref"] == refs.format(model=name))
        return {**whole, "$defs": schema["$defs"]}
    return schema


def settings_of(model: type[BaseModel]) -> tuple[Setting, ...]:
    """Return the keys of a section in the order of its model; those of a table inside it are dotted."""
    schema = schema_of(model)
    return tuple(_settings(schema, schema.get("$defs", {}), "", frozenset({model.__name__})))


def _settings(schema: Schema, defs: Mapping[str, Schema], above: str, inside: frozenset[str]) -> Iterator[Setting]:
    """Yield the keys of a table and of those in it, but for the names `inside` which it stands: it may hold itself."""
    required = schema.get("required", [])
    for key, value in schema.get("properties", {}).items():
        default = json.dumps(value["default"], ensure_ascii=False) if "default" in value else None
        target = _resolved(value, defs)
        description = value.get("description") or ""
        yield Setting(f"{above}{key}", _words(value, defs), key in required, default, description)
        name = _name(value)
        if name not in inside and "properties" in target and not _is_secret(value):
            yield from _settings(target, defs, f"{above}{key}.", inside | {name})


def _name(schema: Schema) -> str:
    """Return the name under `$defs` that a schema refers to, or "" where it stands for itself."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _resolved(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    return defs.get(_name(schema), schema)


def _is_secret(schema: Schema) -> bool:
    return SecretSource.__name__ in map(_name, [schema, *schema.get("anyOf", ())])


def _words(schema: Schema, defs: Mapping[str, Schema]) -> str:
    if _is_secret(schema):
        return "secret"
    schema = _resolved(schema, defs)
    if "const" in schema or "enum" in schema:
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(one, defs) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}), defs)}"
    word = "path" if schema.get("format") == "path" else WORDS.get(str(schema.get("type")), "value")
    bounds = [f"{words} {schema[bound]:g}" for bound, words in BOUNDS.items() if bound in schema]
    return f"{word}, {' and '.join(bounds)}" if bounds else word
