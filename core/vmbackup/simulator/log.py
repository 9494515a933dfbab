"""What happened in the order in which it did: what clients asked for, and which VM was plugged into which network."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmbackup.simulator.database import Database, Touched

_REMEMBERED = 50_000  # entries


@dataclass(frozen=True, slots=True)
class Asked:
    """A call (`VM.start`, also for `Async.VM.start`) with its parameters, or a request to a handler (`PUT /import`).

    The session is not among the parameters, and those of calls on sessions are left out; a handler's only one is its
    query.
    """

    what: str
    params: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Plugged:
    """An interface (its MAC) of a VM (its uuid) was connected to a network (its uuid), or to none any more (None)."""

    vm: str
    mac: str
    network: str | None


class Log:
    """Remembers the last 50 000 things; `entries` is a copy, the oldest first."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._entries: deque[Asked | Plugged] = deque(maxlen=_REMEMBERED)
        self._plugged: dict[str, Plugged] = {}  # by VIF: where it is plugged in

    @property
    def entries(self) -> tuple[Asked | Plugged, ...]:
        """Give all that is remembered."""
        with self._lock:
            return tuple(self._entries)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Give what clients asked for."""
        return tuple(entry for entry in self.entries if isinstance(entry, Asked))

    def networks_of(self, vm: str) -> tuple[str, ...]:
        """Give the networks (uuids) that a VM's interfaces were plugged into, one for each time."""
        plugged = [entry for entry in self.entries if isinstance(entry, Plugged) and entry.vm == vm]
        return tuple(entry.network for entry in plugged if entry.network is not None)

    def called(self, method: str, arguments: Sequence[object]) -> None:
        """Take note of a call."""
        with self._lock:
            self._entries.append(Asked(method, () if method.startswith("session.") else tuple(arguments)))

    def requested(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Take note of a request to a handler."""
        kept = {key: value for key, value in query.items() if key != "session_id"}
        with self._lock:
            self._entries.append(Asked(f"{method} {path}", (kept,)))

    def note(self, touched: Touched) -> None:
        """Take note of the interfaces that a change of the records touched; to be used under the database's lock."""
        for cls, ref in touched:
            if cls == "VIF":
                self._follow(ref)

    def _follow(self, vif: str) -> None:
        before, now = self._plugged.pop(vif, None), self._place(vif)
        if now is not None:
            self._plugged[vif] = now
        entry = Plugged(before.vm, before.mac, None) if before and not now else now
        if entry is not None and now != before:
            with self._lock:
                self._entries.append(entry)

    def _place(self, vif: str) -> Plugged | None:
        record = self._db.table("VIF").get(vif)
        vm = self._db.table("VM").get(record["VM"]) if record else None
        if record is None or vm is None or not record["currently_attached"] or vm["is_a_snapshot"]:
            return None
        network = self._db.table("network").get(record["network"])
        return Plugged(vm["uuid"], record["MAC"], network["uuid"] if network else "")
