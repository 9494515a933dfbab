"""Reading the `ova.xml` of an upload into records (import.ml): every field without a default must be there."""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from vmbackup.simulator.database import Record
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.schema import MODEL, Field, Type
from vmbackup.simulator.values import coerce, decode

_EXPORT_VERSION = 2
_TEXT, _FLAG = Type("string"), Type("bool")
_OF_A_CHIP = {"VM": _TEXT, "uuid": _TEXT, "is_unique": _FLAG, "is_protected": _FLAG, "content": _TEXT}


@dataclass(frozen=True, slots=True)
class Manuscript:
    """What an archive says it holds: class → `Ref:N` → record, in the document's order."""

    objects: Mapping[str, Mapping[str, Record]]

    def get(self, cls: str, name: str) -> Record:
        """Give an object's record. Raises XapiError `IMPORT_ERROR_FAILED_TO_FIND_OBJECT [id]`."""
        try:
            return self.objects[cls][name]
        except KeyError:
            raise XapiError("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", name) from None

    def all(self, cls: str) -> Mapping[str, Record]:
        """Give all records of a class by their id."""
        return self.objects.get(cls, {})


def read(text: bytes, host_version: tuple[int, int]) -> Manuscript:
    """Read the document. Raises XapiError: no such document, or one of a newer host."""
    try:
        whole = decode(ET.fromstring(text))  # noqa: S314  a document from a test or demo on loopback
    except (ET.ParseError, ValueError) as error:
        raise XapiError("IMPORT_ERROR", f"ova.xml: {error}") from None
    if not isinstance(whole, dict):
        raise XapiError("IMPORT_ERROR", "ova.xml is no struct")
    version = _struct(whole, "version")
    if _number(version, "export_vsn") != _EXPORT_VERSION:
        raise XapiError("IMPORT_ERROR", "export_vsn is not 2")
    if (_number(version, "xapi_major"), _number(version, "xapi_minor")) > host_version:
        raise XapiError("IMPORT_INCOMPATIBLE_VERSION")
    objects: dict[str, dict[str, Record]] = {}
    for one in whole.get("objects", []):
        cls, name = one["class"], one["id"]
        if cls in MODEL.classes:
            given = _struct(one, "snapshot")
            objects.setdefault(cls, {})[name] = _chip(given) if cls == "VTPM" else _record(cls, given)
    return Manuscript(objects)


def _struct(record: Record, name: str) -> Record:
    found = record.get(name)
    if not isinstance(found, dict):
        raise XapiError("IMPORT_ERROR", f"ova.xml: {name} is missing")
    return found


def _number(record: Record, name: str) -> int:
    try:
        return int(record[name])
    except (KeyError, TypeError, ValueError):
        raise XapiError("IMPORT_ERROR", f"ova.xml: {name} is no number") from None


def _record(cls: str, given: Record) -> Record:
    return {name: _value(field, given) for name, field in MODEL.classes[cls].items()}


def _chip(given: Record) -> Record:
    """Take a TPM, whose members have names of their own; `content` is what is in it."""
    try:
        return {name: coerce(given[f"vTPM'_{name}"], kind) for name, kind in _OF_A_CHIP.items()}
    except KeyError as error:
        raise internal_error(f"Failure: Field {error.args[0]} not present in rpc") from None


def _value(field: Field, given: Record) -> object:
    if field.name in given:
        return coerce(given[field.name], field.type)
    if field.default is not None:
        return field.default
    if field.type.kind == "set" and field.type.items and field.type.items.kind == "ref":
        return []
    raise internal_error(f"Failure: Field {field.name} not present in rpc")
