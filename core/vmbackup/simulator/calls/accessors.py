"""The calls that every class has: get_all, get_record, get_FIELD, set_FIELD, add_to_MAP … (gen_server.ml)."""

from typing import Final

from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.columns import columns
from vmbackup.simulator.database import Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.expressions import compile_expression
from vmbackup.simulator.schema import MODEL, Field, Type

TABLE: Final = Table()

# Fields that are not RW in the data model but have a setter of their own among the server's messages.
_SET_BY_MESSAGE = {
    "VM": (
        "HVM_boot_policy HVM_shadow_multiplier NVRAM VCPUs_at_startup VCPUs_max actions_after_crash bios_strings"
        " domain_type ha_always_run ha_restart_priority has_vendor_device"
        " memory_dynamic_max memory_dynamic_min memory_static_max memory_static_min"
        " appliance order shutdown_delay snapshot_schedule start_delay suspend_VDI"
    ),
    "VDI": "name_label name_description sharable read_only on_boot",
    "SR": "name_label name_description physical_size",
    "task": "status progress result error_info",
    "network": "purpose",
}


def _spelt(kind: Type) -> str:
    match kind.kind:
        case "set" if kind.items:
            return f"{_spelt(kind.items)} set"
        case "map" if kind.items and kind.keys:
            return f"{_spelt(kind.keys)}->{_spelt(kind.items)} map"
        case "ref":
            return f"{kind.name} ref"
    return f"{kind.kind} {kind.name}".strip()


def _readers(cls: str, fields: dict[str, Field]) -> None:
    @TABLE.call(f"{cls}.get_record", f"{cls} ref", result=f"record {cls}")
    def get_record(context: Context, ref: str) -> Record:
        return context.pool.db.get(cls, ref)

    @TABLE.call(f"{cls}.get_by_uuid", "string", result=f"{cls} ref")
    def get_by_uuid(context: Context, uuid: str) -> str:
        return context.pool.db.by_uuid(cls, uuid)

    for name, field in fields.items():
        _getter(cls, name, _spelt(field.type))
    if cls == "session":
        return

    @TABLE.call(f"{cls}.get_all", result=f"{cls} ref set")
    def get_all(context: Context) -> list[str]:
        with context.pool.db.changed:
            return list(context.pool.db.table(cls))

    @TABLE.call(f"{cls}.get_all_records", result=f"{cls} ref->record {cls} map")
    def get_all_records(context: Context) -> dict[str, Record]:
        return context.pool.db.copy(cls)

    @TABLE.call(f"{cls}.get_all_records_where", "string", result=f"{cls} ref->record {cls} map")
    def get_all_records_where(context: Context, expression: str) -> dict[str, Record]:
        wanted = compile_expression(expression)
        return {ref: record for ref, record in context.pool.db.copy(cls).items() if wanted(columns(ref, record))}

    if "name_label" in fields:

        @TABLE.call(f"{cls}.get_by_name_label", "string", result=f"{cls} ref set")
        def get_by_name_label(context: Context, label: str) -> list[str]:
            return context.pool.db.find(cls, name_label=label)


def _getter(cls: str, name: str, kind: str) -> None:
    @TABLE.call(f"{cls}.get_{name}", f"{cls} ref", result=kind)
    def get(context: Context, ref: str) -> object:
        return context.pool.db.get(cls, ref)[name]


def _setter(cls: str, name: str, kind: str, *, message: bool) -> None:
    @TABLE.call(f"{cls}.set_{name}", f"{cls} ref", kind, asynchronous=message)
    def set_field(context: Context, ref: str, value: object) -> None:
        context.pool.db.set(cls, ref, **{name: value})


def _map_changers(cls: str, name: str, keys: str, items: str) -> None:
    @TABLE.call(f"{cls}.add_to_{name}", f"{cls} ref", keys, items)
    def add_to(context: Context, ref: str, key: str, value: object) -> None:
        with context.pool.db.change():
            present = context.pool.db.get(cls, ref)[name]
            if key in present:
                raise XapiError("MAP_DUPLICATE_KEY", cls, name, ref, key)
            context.pool.db.set(cls, ref, **{name: {**present, key: value}})

    @TABLE.call(f"{cls}.remove_from_{name}", f"{cls} ref", keys)
    def remove_from(context: Context, ref: str, key: str) -> None:
        with context.pool.db.change():
            present = context.pool.db.get(cls, ref)[name]
            context.pool.db.set(cls, ref, **{name: {one: value for one, value in present.items() if one != key}})


def _set_changers(cls: str, name: str, items: str) -> None:
    @TABLE.call(f"{cls}.add_{name}", f"{cls} ref", items)
    def add(context: Context, ref: str, item: object) -> None:
        with context.pool.db.change():
            present = context.pool.db.get(cls, ref)[name]
            context.pool.db.set(cls, ref, **{name: present if item in present else [*present, item]})

    @TABLE.call(f"{cls}.remove_{name}", f"{cls} ref", items)
    def remove(context: Context, ref: str, item: object) -> None:
        with context.pool.db.change():
            present = context.pool.db.get(cls, ref)[name]
            context.pool.db.set(cls, ref, **{name: [one for one in present if one != item]})


def _writers(cls: str, fields: dict[str, Field]) -> None:
    messages = _SET_BY_MESSAGE.get(cls, "").split()
    for name, field in fields.items():
        if field.qualifier != "RW" and name not in messages:
            continue
        _setter(cls, name, _spelt(field.type), message=name in messages)
        if field.type.kind == "map" and field.type.keys and field.type.items:
            _map_changers(cls, name, _spelt(field.type.keys), _spelt(field.type.items))
        elif field.type.kind == "set" and field.type.items and cls != "task":
            _set_changers(cls, name, _spelt(field.type.items))


for _cls, _fields in MODEL.classes.items():
    _readers(_cls, dict(_fields))
    _writers(_cls, dict(_fields))
