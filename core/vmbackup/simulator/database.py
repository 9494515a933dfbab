"""The records of the pool: tables of complete records, and the sets that one class keeps of another's refs."""

import threading
import uuid as uuids
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from vmbackup.simulator.errors import XapiError, handle_invalid
from vmbackup.simulator.schema import MODEL, NULL, zero

Record = dict[str, Any]  # a field's type is data here (datamodel.txt), not something mypy could know
Touched = Sequence[tuple[str, str]]  # (class, ref) of what a change made, altered or deleted, in this order

BACK_REFERENCES = {
    ("VBD", "VM"): ("VM", "VBDs"),
    ("VBD", "VDI"): ("VDI", "VBDs"),
    ("VIF", "VM"): ("VM", "VIFs"),
    ("VIF", "network"): ("network", "VIFs"),
    ("VDI", "SR"): ("SR", "VDIs"),
    ("VDI", "snapshot_of"): ("VDI", "snapshots"),
    ("VM", "snapshot_of"): ("VM", "snapshots"),
    ("VM", "parent"): ("VM", "children"),
    ("VM", "resident_on"): ("host", "resident_VMs"),
    ("VM", "appliance"): ("VM_appliance", "VMs"),
    ("VM", "snapshot_schedule"): ("VMSS", "VMs"),
    ("VTPM", "VM"): ("VM", "VTPMs"),
    ("VUSB", "VM"): ("VM", "VUSBs"),
    ("VGPU", "VM"): ("VM", "VGPUs"),
    ("PBD", "SR"): ("SR", "PBDs"),
    ("PBD", "host"): ("host", "PBDs"),
    ("PIF", "network"): ("network", "PIFs"),
    ("PIF", "host"): ("host", "PIFs"),
    ("Certificate", "host"): ("host", "certificates"),
    ("task", "subtask_of"): ("task", "subtasks"),
}


def new_ref() -> str:
    """Make a ref; it has nothing to do with the object's uuid."""
    return f"OpaqueRef:{uuids.uuid4()}"


class Database:
    """Tables of records under one lock. Every change goes through `change`; `settle`, `keep` and `tell` hear of it.

    Functions of this class return live records: look at them, and copy what outlives the lock.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.settle: Callable[[Touched], None] = lambda _: None
        self.keep: Callable[[Touched], None] = lambda _: None
        self.tell: Callable[[Touched], None] = lambda _: None
        self._tables: dict[str, dict[str, Record]] = {cls: {} for cls in MODEL.classes}
        self._touched: dict[tuple[str, str], None] = {}
        self._depth = 0

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the lock; at the outermost exit recompute what depends, keep what changed, wake who waits."""
        with self.changed:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth and self._touched:
                    self._commit()

    def _commit(self) -> None:
        self._depth += 1
        try:
            self.settle(tuple(self._touched))
            self.keep(tuple(self._touched))
            self.tell(tuple(self._touched))
        finally:
            self._depth -= 1
            self._touched.clear()
            self.changed.notify_all()

    def table(self, cls: str) -> dict[str, Record]:
        """Give a class's live table, ref → record, in the order of creation."""
        return self._tables[cls]

    def copy(self, cls: str) -> dict[str, Record]:
        """Give a deep copy of a class's table."""
        with self.changed:
            return deepcopy(self._tables[cls])

    def has(self, cls: str, ref: str) -> bool:
        """Say whether the ref names a living object of the class."""
        return ref in self._tables[cls]

    def get(self, cls: str, ref: str) -> Record:
        """Give a live record. Raises XapiError `HANDLE_INVALID [class; ref]`."""
        try:
            return self._tables[cls][ref]
        except KeyError:
            raise handle_invalid(cls, ref) from None

    def by_uuid(self, cls: str, uuid: str) -> str:
        """Find an object by its uuid. Raises XapiError `UUID_INVALID [class; uuid]`."""
        with self.changed:
            for ref, record in self._tables[cls].items():
                if record["uuid"] == uuid:
                    return ref
        raise XapiError("UUID_INVALID", cls, uuid)

    def find(self, cls: str, **fields: object) -> list[str]:
        """Give the refs of all objects whose fields have these values."""
        with self.changed:
            return [
                ref for ref, row in self._tables[cls].items() if all(row[name] == want for name, want in fields.items())
            ]

    def create(self, cls: str, fields: Record, ref: str = "") -> str:
        """Add an object with the data model's defaults under the given fields; returns its ref."""
        ref = ref or new_ref()
        record: Record = {}
        for name, field in MODEL.classes[cls].items():
            value = fields[name] if name in fields else (zero(field.type) if field.default is None else field.default)
            record[name] = deepcopy(value)
        record["uuid"] = fields.get("uuid") or str(uuids.uuid4())
        with self.change():
            self._tables[cls][ref] = record
            self._touched[cls, ref] = None
            self._link(cls, ref, record)
        return ref

    def load(self, cls: str, ref: str, record: Record) -> None:
        """Put a kept record back as it was, its sets of refs with it."""
        self._tables[cls][ref] = record

    def set(self, cls: str, ref: str, **fields: object) -> None:
        """Give fields new values. Raises XapiError `HANDLE_INVALID`."""
        with self.change():
            record = self.get(cls, ref)
            changed = {name: value for name, value in fields.items() if record[name] != value}
            if not changed:
                return
            self._touched[cls, ref] = None
            for name, value in changed.items():
                if back := BACK_REFERENCES.get((cls, name)):
                    self._unlink_one(back, record[name], ref)
                    self._link_one(back, str(value), ref)
                record[name] = value

    def touch(self, cls: str, ref: str) -> None:
        """Take an object for changed although no field is."""
        with self.change():
            self._touched[cls, ref] = None

    def delete(self, cls: str, ref: str) -> None:
        """Remove an object; refs to it in other records stay, as they do on a real server."""
        with self.change():
            record = self._tables[cls].pop(ref, None)
            if record is None:
                raise handle_invalid(cls, ref)
            self._touched[cls, ref] = None
            for (owner, name), back in BACK_REFERENCES.items():
                if owner == cls:
                    self._unlink_one(back, record[name], ref)

    def _link(self, cls: str, ref: str, record: Record) -> None:
        for (owner, name), back in BACK_REFERENCES.items():
            if owner == cls:
                self._link_one(back, record[name], ref)

    def _link_one(self, back: tuple[str, str], target: str, ref: str) -> None:
        other = self._tables[back[0]].get(target)
        if target != NULL and other is not None and ref not in other[back[1]]:
            other[back[1]] = [*other[back[1]], ref]
            self._touched[back[0], target] = None

    def _unlink_one(self, back: tuple[str, str], target: str, ref: str) -> None:
        other = self._tables[back[0]].get(target)
        if other is not None and ref in other[back[1]]:
            other[back[1]] = [one for one in other[back[1]] if one != ref]
            self._touched[back[0], target] = None
