"""The control socket of a stand-alone simulator: JSON lines over a Unix socket in its data folder."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vmbackup.simulator.faults.file import RuleError, describe, parse_rule
from vmbackup.simulator.hosts import Host
from vmbackup.simulator.simulator import Simulator

_NAME = "control.sock"
_LIMIT = 1 << 20  # bytes of a line
Request = dict[str, object]


def _add(sim: Simulator, request: Request) -> object:
    return sim.faults.add(parse_rule(request.get("rule")))


def _clear(sim: Simulator, request: Request) -> object:
    number = request.get("number")
    if number is None:
        sim.faults.clear()
    elif isinstance(number, int):
        sim.faults.remove(number)
    else:
        raise RuleError("number is the number of a rule")
    return None


def _list(sim: Simulator, _request: Request) -> object:
    return [{"number": armed.number, "seen": armed.seen, "rule": describe(armed.rule)} for armed in sim.faults.armed()]


def _coalesce(sim: Simulator, _request: Request) -> object:
    return sim.coalesce()


def _advance(sim: Simulator, request: Request) -> object:
    seconds = request.get("seconds")
    if not isinstance(seconds, int | float):
        raise RuleError("seconds is a number")
    sim.clock.advance(seconds)
    return None


def _expire(sim: Simulator, _request: Request) -> object:
    sim.sessions.expire_all()
    return None


def _on_host(act: Callable[[Simulator, Host], None]) -> Callable[[Simulator, Request], object]:
    """Make a verb of what is done to the host with the address `host`."""

    def verb(sim: Simulator, request: Request) -> object:
        named = [host for host in sim.hosts if host.address == request.get("host")]
        if not named:
            raise RuleError(f"host is one of {', '.join(host.address for host in sim.hosts)}")
        act(sim, named[0])
        return None

    return verb


VERBS: Mapping[str, Callable[[Simulator, Request], object]] = {
    "add": _add,
    "clear": _clear,
    "list": _list,
    "coalesce": _coalesce,
    "advance": _advance,
    "expire": _expire,
    "down": _on_host(Simulator.host_down),
    "up": _on_host(Simulator.host_up),
    "restart": _on_host(Simulator.restart_toolstack),
    "lead": _on_host(Simulator.move_coordinator),
}


class Control:
    """Serves the control socket of a simulator from the moment it is made until it is closed.

    A request is a line `{"verb": …}` with the verb's arguments, an answer a line `{"ok": …}` with its result, or
    `{"error": "why not"}`. Verbs: `add` (`rule`: gives its number), `clear` (`number`, or all), `list`, `coalesce`
    (gives how many base copies are gone), `advance` (the clock, by `seconds`), `expire` (all sessions), and for
    the host with the address `host`: `down`, `up`, `restart` (of its toolstack), `lead` (the pool from now on).
    """

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self._sim = sim
        self._path = folder / _NAME
        self._path.unlink(missing_ok=True)  # of a simulator that was killed
        self._listener = socket.socket(socket.AF_UNIX)
        with _short(folder) as short:
            self._listener.bind(short)
        self._path.chmod(0o600)
        self._listener.listen()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            with connection, contextlib.suppress(OSError):
                self._serve(connection)
            with self._lock:
                self._open.discard(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while (line := lines.readline(_LIMIT)).endswith(b"\n"):
                connection.sendall(json.dumps(self._answer(line)).encode() + b"\n")

    def _answer(self, line: bytes) -> Request:
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or request.get("verb") not in VERBS:
                raise RuleError(f"verb is one of {', '.join(VERBS)}")
            return {"ok": VERBS[request["verb"]](self._sim, request)}
        except (ValueError, LookupError) as error:
            return {"error": str(error)}

    def close(self) -> None:
        """End the connection that is open, and remove the socket."""
        with self._lock:
            for connection in (self._listener, *self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)


def ask(folder: Path, verb: str, **arguments: object) -> object:
    """Send one request to the simulator whose data folder this is; gives the result.

    Raises RuleError with its answer when it says no, and OSError when none is there.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        with _short(folder) as short:
            connection.connect(short)
        connection.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer = json.loads(lines.readline())
    if "error" in answer:
        raise RuleError(answer["error"])
    return answer["ok"]


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Give a path to the socket that is short enough for one, however long the folder's own is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)
