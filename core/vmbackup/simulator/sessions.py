"""The sessions of a pool: in the coordinator's memory alone, limited in number and in idleness (db_gc_util.ml)."""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Mapping

from vmbackup.simulator.clock import Clock, parse
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.users import User

_IDLE_SECONDS = 24 * 3600.0
_LIMIT = 500  # sessions of root with one originator, or of one user of a directory
_LIMIT_WITHOUT_ORIGINATOR = 400


class Sessions:
    """Logs users in; whoever is idle or one too many loses the session, unless its tasks still run."""

    def __init__(self, db: Database, clock: Clock, users: Mapping[str, User], refresh_seconds: float) -> None:
        self._db = db
        self._clock = clock
        self._users = users
        self._refresh_seconds = refresh_seconds

    def open(self, host: str, username: str, password: str, originator: str) -> str:
        """Make a session on a host. Raises XapiError `SESSION_AUTHENTICATION_FAILED [user; message]`."""
        user = self._users.get(username)
        known = user.password if user else ""
        if not hmac.compare_digest(password.encode(), known.encode()) or user is None:
            raise XapiError("SESSION_AUTHENTICATION_FAILED", username, "Authentication failure")
        now = self._clock.now()
        with self._db.change():
            ref = self._db.create(
                "session",
                {
                    "this_host": host,
                    "last_active": now,
                    "validation_time": now,
                    "is_local_superuser": user.superuser,
                    "auth_user_sid": "" if user.superuser else _identifier(username),
                    "auth_user_name": username,
                    "originator": originator,
                },
            )
            self._limit()
        return ref

    def use(self, ref: str) -> User:
        """Give whose session it is and note that it was used. Raises XapiError `SESSION_INVALID [ref]`."""
        record = self._db.table("session").get(ref)
        user = self._users.get(record["auth_user_name"]) if record else None
        if record is None or user is None:
            raise XapiError("SESSION_INVALID", ref)
        if self._clock.seconds() - parse(record["last_active"]) >= self._refresh_seconds:
            self._renew(ref)
        return user

    def _renew(self, ref: str) -> None:
        with self._db.change():
            if not self._db.has("session", ref):
                raise XapiError("SESSION_INVALID", ref)
            self._db.set("session", ref, last_active=self._clock.now())

    def close(self, ref: str) -> None:
        """Destroy a session, if it is still there."""
        with self._db.change():
            if self._db.has("session", ref):
                self._db.delete("session", ref)

    def collect(self) -> None:
        """Destroy the sessions that were idle for 24 hours and those above the limits, the oldest first."""
        with self._db.change():
            for ref, record in self._unused():
                if self._clock.seconds() - parse(record["last_active"]) > _IDLE_SECONDS:
                    self._db.delete("session", ref)
            self._limit()

    def expire_all(self) -> None:
        """Destroy every session, as if all had been idle for a day."""
        with self._db.change():
            for ref in list(self._db.table("session")):
                self._db.delete("session", ref)

    def _limit(self) -> None:
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for ref, record in self._db.table("session").items():
            own = record["is_local_superuser"]
            groups[record["auth_user_name"], record["originator"] if own else "*"].append(ref)
        unused = dict(self._unused())
        for (_, originator), refs in groups.items():
            excess = len(refs) - (_LIMIT if originator else _LIMIT_WITHOUT_ORIGINATOR)
            idle = sorted((ref for ref in refs if ref in unused), key=lambda ref: unused[ref]["last_active"])
            for ref in idle[: max(0, excess)]:
                self._db.delete("session", ref)

    def _unused(self) -> list[tuple[str, Record]]:
        """Give the sessions without a pending task."""
        tasks = self._db.table("task")
        pending = {ref for ref, task in tasks.items() if task["status"] == "pending"}
        return [(ref, one) for ref, one in self._db.table("session").items() if pending.isdisjoint(one["tasks"])]


def _identifier(username: str) -> str:
    number = int.from_bytes(hashlib.sha256(username.encode()).digest()[:4], "big")
    return f"S-1-5-21-1085031214-1563985344-725345543-{number}"
