"""Streams out of the pool and into it, each with a task of its own whose result alone says whether it succeeded."""

import contextlib
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import chain
from urllib.parse import quote, urlencode, urlsplit

from typing_extensions import Buffer
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from vmbackup.errors import PoolError, Stalled, TransferError, VmbackupError
from vmbackup.journal import Journal
from vmbackup.xapi.advice import pool_error
from vmbackup.xapi.hosts import members
from vmbackup.xapi.session import GONE, Session
from vmbackup.xapi.trust import CONNECT_SECONDS, Address, connections, is_distrust, untrusted
from vmbackup.xapi.unmake import unmake
from vmbackup.xapi.watchdog import Limits, Watchdog, stalled, time_up
from vmbackup.xapi.wire import real, text, texts

# A silent pool: nothing read for this long. The first byte of a big export may take as long (xen-api#4603).
STALL_SECONDS = 1800.0
# XAPI ends the task before or after the last byte; both come within moments (xapi: export.ml).
RESULT_SECONDS = 60.0
PROGRESS_SECONDS = 30.0
PIECE = 1 << 20
HOPS = 3
USUAL_LIMITS = Limits()


class Task:
    """A XAPI task that belongs to one transfer."""

    def __init__(self, session: Session, ref: str, doing: str) -> None:
        """Use `own_task`."""
        self._session = session
        self.ref = ref
        self._doing = doing

    def result(self, within: float | None = RESULT_SECONDS, limits: Limits = USUAL_LIMITS) -> str:
        """Wait for the end of the task, `within` seconds or as long as it goes on, and return its result.

        Raises PoolError with XAPI's code if it failed, TransferError if nobody knows how it ended, Stalled or TimeUp
        if `limits` end the wait: bytes do not count any more, the task's progress alone does.
        """
        failure, result = self._ended(within, limits)
        if failure is not None:
            raise failure
        return result

    def progress(self, within: float) -> float:
        """Return how far the pool says that it is, from 0 to 1. Raises PoolError, TransferError or TimeUp."""
        return real({"progress": self._session.call("task.get_progress", self.ref, within=within)}, "progress")

    def failure(self, within: float) -> VmbackupError | None:
        """Return why the task failed if it has, or does within so many seconds; None if it goes on or succeeded."""
        with contextlib.suppress(VmbackupError):
            return self._ended(within, USUAL_LIMITS)[0]
        return None

    def _ended(self, within: float | None, limits: Limits) -> tuple[VmbackupError | None, str]:
        deadline = None if within is None else time.monotonic() + within
        pause = 0.01
        seen, moved = -1.0, time.monotonic()
        while True:
            try:
                record = self._session.record("task", self.ref)
            except PoolError as error:
                if error.xapi_code in GONE:
                    raise TransferError(
                        f"{self._doing}: the pool has lost the task, so that nobody knows how it ended",
                        advice="Look whether the toolstack was restarted meanwhile, and run the job again.",
                    ) from error
                raise
            status = text(record, "status")
            if status == "success":
                return None, text(record, "result")
            if status in {"failure", "cancelled"}:
                unsaid = "TASK_CANCELLED" if status == "cancelled" else "INTERNAL_ERROR"
                details = texts(record, "error_info") or (unsaid, self.ref)
                return pool_error(self._doing, details), ""
            if deadline is not None and time.monotonic() > deadline:
                raise TransferError(f"{self._doing}: the stream ended {within:.0f} s ago, but the pool's task did not")
            if (progress := real(record, "progress")) > seen:
                seen, moved = progress, time.monotonic()
            if time.monotonic() - moved > limits.stall:
                raise stalled(self._doing, limits.stall)
            if limits.deadline is not None and time.monotonic() > limits.deadline:
                raise time_up(self._doing)
            time.sleep(pause)
            pause = min(pause * 2, 1.0)


@contextlib.contextmanager
def own_task(session: Session, journal: Journal, doing: str, sign: str | None = None) -> Iterator[Task]:
    """Make a task for one transfer; at the end it is cancelled if it still goes on, and removed.

    With a `sign` it is the task of an import, and what that has made is marked with it at the end, whole or not.
    """
    label = f"vmbackup-{journal.run_id}-{uuid.uuid4().hex[:12]}"
    intent = journal.intend("import", label=label, mark=sign) if sign else journal.intend("task", label=label)
    try:
        task = Task(session, str(session.call("task.create", label, doing)), doing)
        if sign:
            journal.learn(intent, task=task.ref)
        _mark_untaken(session, task)
        yield task
    finally:
        unmake(session, journal, [intent])


def _mark_untaken(session: Session, task: Task) -> None:
    """Set the progress that a handler sets to 0 when it takes the task up (xapi: export.ml).

    Pools before 8.2 have no such call (xapi: datamodel.ml); there an abandoned task only takes longer to end.
    """
    try:
        session.call("task.set_progress", task.ref, -1.0)
    except PoolError as error:
        if error.xapi_code != "MESSAGE_METHOD_UNKNOWN":
            raise


@dataclass(frozen=True, slots=True)
class Request:
    """One of XAPI's HTTP handlers and its query; `doing` names the transfer in messages and in the pool's own lists."""

    handler: str
    query: Mapping[str, str]
    doing: str


class Download:
    """A stream out of the pool: `pieces` and then `finish`, or it has not succeeded."""

    def __init__(self, response: BaseHTTPResponse, task: Task, watchdog: Watchdog, doing: str) -> None:
        """Use `download`."""
        self._response = response
        self._task = task
        self._watchdog = watchdog
        self._doing = doing

    def pieces(self) -> Iterator[bytes]:
        """Yield the body. Raises TransferError where the connection breaks; its quiet end proves nothing yet.

        Raises Stalled or TimeUp where the watchdog has ended it.
        """
        try:
            # One byte first: a whole piece that never fills up would look like a first byte that has not come.
            first = self._response.read(1, decode_content=False)
            for piece in chain([first] if first else [], self._response.stream(PIECE, decode_content=False)):
                self._watchdog.hold()
                yield piece
                self._watchdog.beat()
        except (HTTPError, OSError) as error:
            raise self._watchdog.reason or TransferError(f"{self._doing}: the stream broke: {error}") from error
        if self._watchdog.reason:
            raise self._watchdog.reason

    def finish(self) -> None:
        """Wait until the pool says that the transfer succeeded. Raises PoolError or TransferError if it did not."""
        self._task.result()

    def reason(self, within: float = 2.0) -> VmbackupError | None:
        """Return the pool's own reason for a stream that went wrong, if it has one and did not end by our will."""
        return None if self._watchdog.reason else self._task.failure(within)


@contextlib.contextmanager
def download(session: Session, journal: Journal, request: Request, limits: Limits = USUAL_LIMITS) -> Iterator[Download]:
    """Ask for a stream under an own task. The session goes in a cookie, never in a URL.

    Raises Untrusted, TransferError, or the PoolError that the task holds when the pool hangs up without a word.
    """
    with own_task(session, journal, request.doing) as task:
        http, response = _follow(session, task, request)
        try:
            _check_accepted(response, task, request)
            # A pool that is silent altogether must not hold up who watches it.
            progress = partial(task.progress, min(limits.stall, PROGRESS_SECONDS))
            with Watchdog(request.doing, limits, progress, partial(_wake, response)) as watchdog:
                yield Download(response, task, watchdog, request.doing)
        finally:
            _wake(response)
            response.close()
            http.close()


def _follow(session: Session, task: Task, request: Request) -> tuple[HTTPConnectionPool, BaseHTTPResponse]:
    """Ask, and go where the pool sends us: to a host of its own that sees the storage (xapi: export.ml).

    The session is shown to nobody but a member whose certificate is trusted.
    """
    address = session.address
    for _ in range(HOPS):
        http = connections(address, session.trust, read_seconds=STALL_SECONDS)
        try:
            response = _ask(session, http, address, task, request, method="GET")
        except BaseException:
            http.close()
            raise
        location = response.headers.get("Location")
        if response.status != HTTPStatus.FOUND or location is None:
            return http, response
        response.close()
        http.close()
        host = urlsplit(location).hostname or ""
        if host not in members(session):
            raise TransferError(
                f"{request.doing}: the pool sends us to {host!r}, which is none of its hosts",
                advice="The addresses of the hosts in the pool must be those that are reached from here.",
            )
        address = session.address.beside(host)
    raise TransferError(f"{request.doing}: the pool sends us from host to host")


def _wake(response: BaseHTTPResponse) -> None:
    """Wake up a reader on another thread; closing alone would pull the socket away under it."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        response.shutdown()


def upload(
    session: Session,
    journal: Journal,
    request: Request,
    pieces: Iterable[Buffer],
    size: int,
    *,
    address: Address | None = None,
    limits: Limits = USUAL_LIMITS,
    sign: str | None = None,
) -> str:
    """Send `size` bytes under an own task, to the coordinator or `address`, and return the task's result.

    What an import has made bears the mark of a restore, `sign`, when this returns.

    The pool answers before it reads, and stops reading when it has what it needs (xapi: import.ml): neither its answer
    nor a connection that breaks at the end says anything. The task does. Raises Stalled where the pool takes nothing
    for as long as `limits` allow, or its task stands still for so long afterwards, and TimeUp at their deadline.
    """
    address = address or session.address
    http = connections(address, session.trust, read_seconds=STALL_SECONDS)
    with own_task(session, journal, request.doing, sign) as task, contextlib.closing(http):
        broken: VmbackupError | None = None
        body = _until(limits, request.doing, pieces)
        try:
            response = _ask(
                session, http, address, task, request, method="PUT", body=body, size=size, stall=limits.stall
            )
        except Stalled:
            raise
        except TransferError as error:
            broken = error
        else:
            with contextlib.closing(response):
                _check_accepted(response, task, request)
        try:
            return task.result(within=RESULT_SECONDS if broken else None, limits=limits)
        except TransferError as error:
            raise broken or error from error


def _until(limits: Limits, doing: str, pieces: Iterable[Buffer]) -> Iterator[bytes]:
    for piece in pieces:
        if limits.deadline is not None and time.monotonic() > limits.deadline:
            raise time_up(doing)
        yield bytes(piece)


def _check_accepted(response: BaseHTTPResponse, task: Task, request: Request) -> None:
    """Raise the reason in the task, or TransferError, unless a handler has taken the request.

    Who refuses one may leave the task as it is, so that it would stay pending for a day (xapi: xapi_http.ml).
    """
    if response.status != HTTPStatus.OK:
        refused = TransferError(f"{request.doing}: the pool answered with HTTP {response.status}")
        raise task.failure(2.0) or refused


def _ask(
    session: Session,
    http: HTTPConnectionPool,
    address: Address,
    task: Task,
    request: Request,
    *,
    method: str,
    body: Iterable[bytes] | None = None,
    size: int = 0,
    stall: float = CONNECT_SECONDS,
) -> BaseHTTPResponse:
    """Send the request. The session goes in a cookie, without blanks (xapi: http.ml), never in the URL."""
    # A blank as %20: a plus is a plus to XAPI (xapi: http.ml).
    path = f"{request.handler}?{urlencode({**request.query, 'task_id': task.ref}, quote_via=quote)}"
    headers = {"Cookie": f"session_id={session.handle}"}
    if body is not None:
        headers["Content-Length"] = str(size)
    try:
        return http.urlopen(
            method,
            path,
            body=body,
            headers=headers,
            # While it sends, urllib3 gives a socket the time that it would give it to connect.
            timeout=Timeout(connect=stall, read=STALL_SECONDS),
            preload_content=False,
            redirect=False,
            decode_content=False,
        )
    except (HTTPError, OSError) as error:
        if is_distrust(error):
            raise untrusted(address, session.trust, error) from error
        if body is not None and isinstance(error.__context__, TimeoutError):
            raise stalled(request.doing, stall) from error
        raise task.failure(2.0) or TransferError(f"{request.doing}: the connection broke: {error}") from error
