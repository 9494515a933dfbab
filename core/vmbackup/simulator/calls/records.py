"""The struct that a constructor takes (gen_server.ml): which members it must have, and what becomes of the others."""

from vmbackup.simulator.database import Record
from vmbackup.simulator.errors import internal_error
from vmbackup.simulator.schema import MODEL
from vmbackup.simulator.values import coerce


def constructor(cls: str, given: Record) -> Record:
    """Check a constructor's struct. Members that are runtime fields, or none of the class, are ignored.

    Raises XapiError `INTERNAL_ERROR` for a missing mandatory member or one of a wrong type.
    """
    fields: Record = {}
    for name, field in MODEL.classes[cls].items():
        if field.qualifier == "RO":
            continue
        if name in given:
            fields[name] = coerce(given[name], field.type)
        elif field.default is None and not (field.type.kind == "set" and field.type.items and field.type.items.name):
            raise internal_error(f'Server_helpers.Dispatcher_FieldNotFound("{name}")')
    return fields
