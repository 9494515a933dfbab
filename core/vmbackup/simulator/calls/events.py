"""Calls for events (xapi_event.ml): `event.from` and the deprecated register, unregister, next."""

import math
import re
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from vmbackup.simulator import subscriptions
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.history import Change
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.profiles import unknown
from vmbackup.simulator.schema import MODEL, Type, Typed, parse_type
from vmbackup.simulator.subscriptions import Subscription

TABLE: Final = Table()
_STRING = Type("string")
_STRUCT = Type("struct")
_EVENTS = parse_type("struct set")
_COUNTS = parse_type("string->i4 map")
_TOKEN = re.compile(r"\d{1,20},\d{1,20}", re.ASCII)
_DAY = 86400.0  # seconds; the time-out where the one that is asked for is none
_FOREVER = math.inf
_BATCH = 0.05  # seconds in which changes are collected once the first has come
_SLICE = 0.2  # seconds between two looks at whether the server is stopping


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a client has read: the generation of the database, and that of the messages."""

    database: int = 0
    messages: int = 0

    def __str__(self) -> str:
        return f"{self.database:020d},{self.messages:020d}"


def _place(token: str) -> _Place:
    if not token:
        return _Place()
    if not _TOKEN.fullmatch(token):
        raise XapiError("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    database, messages = token.split(",")
    return _Place(int(database), int(messages))


def _wait(context: Context, look: Callable[[], list[Typed]], timeout: float) -> list[Typed]:
    """Call `look` under the lock until it sees something, for at most so many seconds. Raises XapiError."""
    db, deadline = context.pool.db, time.monotonic() + timeout
    while True:
        with db.changed:
            if not db.has("session", context.session):
                raise XapiError("SESSION_INVALID", context.session)
            events = look()
            if events or not _changes(context.pool, deadline):
                return events
        time.sleep(_BATCH)


def _changes(pool: Pool, deadline: float) -> bool:
    """Wait for the next change; False when there is none in time, or the server stops."""
    generation = pool.history.generation
    while pool.history.generation == generation:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or pool.stopping.is_set():
            return False
        pool.db.changed.wait(min(_SLICE, remaining))
    return True


def _events(pool: Pool, wanted: frozenset[Subscription], place: _Place) -> list[Typed]:
    hidden = unknown(pool.settings.profile)

    def of_database(cls: str, ref: str) -> bool:
        return cls != "message" and cls not in hidden and any(one.matches(cls, ref) for one in wanted)

    def of_messages(cls: str, ref: str) -> bool:
        return cls == "message" and any(one.matches(cls, ref) for one in wanted)

    messages = pool.history.since(place.messages, of_messages)
    rows = pool.history.since(place.database, of_database)
    return [_event(pool, change) for change in (*messages, *rows)]


def _event(pool: Pool, change: Change) -> Typed:
    words = {
        "id": "0" if change.cls == "message" else str(change.generation),
        "timestamp": "0.0",
        "class": change.cls.lower(),
        "operation": change.operation,
        "ref": change.ref,
    }
    members = {name: Typed(word, _STRING) for name, word in words.items()}
    if change.operation != "del":
        record = deepcopy(pool.db.get(change.cls, change.ref))
        members["snapshot"] = Typed(record, Type("record", change.cls))
    return Typed(members, _STRUCT)


@TABLE.call("event.from", "string set", "string", "float", result="struct")
def event_from(context: Context, classes: list[str], token: str, timeout: float) -> dict[str, Typed]:
    """Give what happened since the token, or wait for it, for at most `timeout` seconds."""
    pool, place, wanted = context.pool, _place(token), subscriptions.parse(classes)
    patience = timeout if 0 <= timeout < _FOREVER else _DAY
    reached = place

    def look() -> list[Typed]:
        nonlocal reached
        reached = _Place(pool.history.generation, pool.history.generation)
        return _events(pool, wanted, place)

    events = _wait(context, look, patience)
    with pool.db.changed:
        hidden = unknown(pool.settings.profile) | {"message"}
        counts = {cls.lower(): len(pool.db.table(cls)) for cls in MODEL.classes if cls not in hidden}
    return {
        "events": Typed(events, _EVENTS),
        "valid_ref_counts": Typed(counts, _COUNTS),
        "token": Typed(str(reached), _STRING),
    }


@TABLE.call("event.inject", "string", "string", result="string")
def inject(context: Context, cls: str, ref: str) -> str:
    """Touch an object so that a `mod` is told of it; gives a token from before."""
    if cls not in MODEL.classes:
        raise internal_error(f'Db_exn.DBCache_NotFound("missing table", "{cls}", "")')
    with context.pool.db.change():
        context.pool.db.get(cls, ref)
        before = context.pool.history.generation
        context.pool.db.touch(cls, ref)
    return str(_Place(before))


@TABLE.call("event.get_current_id", result="int")
def get_current_id(context: Context) -> int:
    """Give the number of the latest event."""
    return context.pool.history.generation


@TABLE.call("event.register", "string set")
def register(context: Context, classes: list[str]) -> None:
    """Subscribe the session to classes, for `event.next`; from now on."""
    wanted = subscriptions.parse(classes)
    with context.pool.db.changed:
        before = context.pool.registrations.get(context.session)
        read = context.pool.history.generation if before is None else before.read
        present = frozenset[Subscription]() if before is None else before.wanted
        gone = [session for session in context.pool.registrations if not context.pool.db.has("session", session)]
        for session in gone:
            del context.pool.registrations[session]
        context.pool.registrations[context.session] = subscriptions.Registration(present | wanted, read)


@TABLE.call("event.unregister", "string set")
def unregister(context: Context, classes: list[str]) -> None:
    """Take subscriptions of the session back."""
    wanted = subscriptions.parse(classes)
    with context.pool.db.changed:
        before = context.pool.registrations.get(context.session)
        if before is not None:
            left = subscriptions.Registration(before.wanted - wanted, before.read)
            context.pool.registrations[context.session] = left


@TABLE.call("event.next", result="struct set")
def following(context: Context) -> list[Typed]:
    """Wait, for as long as it takes, for events of the session's subscriptions."""
    pool = context.pool

    def look() -> list[Typed]:
        registration = pool.registrations.get(context.session)
        if registration is None:
            raise XapiError("SESSION_NOT_REGISTERED", context.session)
        reached = pool.history.generation
        events = _events(pool, registration.wanted, _Place(registration.read, registration.read))
        pool.registrations[context.session] = subscriptions.Registration(registration.wanted, reached)
        return events

    return _wait(context, look, _FOREVER)
