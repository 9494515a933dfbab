"""From a request's body to its answer: finding the call, counting and checking parameters, tasks (gen_server.ml)."""

import contextlib
import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup.simulator import jsonrpc, rpc_faults, tasks, values
from vmbackup.simulator.calls.offered import offered, spelt_with_underscore
from vmbackup.simulator.calls.table import Call, Context
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.permissions import assert_answers, assert_permitted
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.profiles import shown
from vmbackup.simulator.schema import Typed, parse_type
from vmbackup.simulator.users import User

_ASYNC = "Async."
_LIST = "system.listMethods"
_OTHER_CONFIG = "x-http-other-config-"
_NOT_UTF_8 = XapiError("INVALID_VALUE", "", "a parameter is not UTF-8")
_REF = parse_type("task ref")
_NAMES = parse_type("string set")


@dataclass(frozen=True, slots=True)
class _Request:
    call: Call
    session: str
    user: User | None
    arguments: list[object]


@dataclass(frozen=True, slots=True)
class Origin:
    """The host that is asked, and what the head says about the call's task: the one to use, notes in `other_config`."""

    host: str
    task: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)


def origin(host: str, headers: Mapping[str, str]) -> Origin:
    """Read `task-id` and `X-Http-Other-Config-K`, which becomes the key `http:k` (context.ml)."""
    noted = {name: value for name, value in headers.items() if name.startswith(_OTHER_CONFIG)}
    return Origin(
        host,
        headers.get("task-id", ""),
        {f"http:{name.removeprefix(_OTHER_CONFIG)}": value for name, value in noted.items()},
    )


def answer(pool: Pool, body: bytes, origin: Origin) -> str:
    """Answer a `methodCall`. Raises ValueError when the body is none."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return values.failure(_NOT_UTF_8)
    name, params = values.parse_call(body)
    try:
        result = _perform(pool, name, params, origin)
    except XapiError as error:
        return values.failure(error)
    encoded = values.encode(result.value, result.type)
    return values.bare(encoded) if name == _LIST else values.success(encoded)


def answer_json(pool: Pool, body: bytes, origin: Origin) -> str:
    """Answer a JSON-RPC request in its own version. Raises ValueError when the body is none."""
    try:
        request = jsonrpc.parse(body.decode())
    except UnicodeDecodeError:
        return jsonrpc.failure(jsonrpc.UNREADABLE, _NOT_UTF_8)
    try:
        result = _perform(pool, request.method, request.params, origin)
    except XapiError as error:
        return jsonrpc.failure(request, error)
    return jsonrpc.success(request, jsonrpc.native(result.value, result.type))


def _perform(pool: Pool, name: str, params: list[object], origin: Origin) -> Typed:
    if name == _LIST:
        return Typed(sorted(offered(pool.settings.profile)), _NAMES)
    assert_answers(pool, origin.host)
    if origin.task:
        _note(pool, origin.task, origin)
    request = _request(pool, name.removeprefix(_ASYNC), params)
    pool.log.called(request.call.name, request.arguments)
    with rpc_faults.answering(pool, request.session, request.call.name, request.arguments):
        if name.startswith(_ASYNC):
            return Typed(_start(pool, name, request, origin), _REF)
        return _run(pool, request, origin.task or f"DummyRef:|{uuids.uuid4()}|{name}")


def _note(pool: Pool, task: str, origin: Origin) -> None:
    with pool.db.change():
        present = pool.db.get("task", task)["other_config"]
        pool.db.set("task", task, other_config={**present, **origin.notes})


def _request(pool: Pool, name: str, params: list[object]) -> _Request:
    profile = pool.settings.profile
    call = offered(profile).get(name) or spelt_with_underscore(profile).get(name)
    if call is None:
        raise XapiError("MESSAGE_METHOD_UNKNOWN", name)
    _count(call, params)
    session = values.coerce(params[0], parse_type("session ref")) if call.session else ""
    given = params[1:] if call.session else params
    arguments = [values.coerce(value, param.type) for value, param in zip(given, call.params, strict=False)]
    arguments += [param.default for param in call.params[len(arguments) :]]
    user = pool.sessions.use(str(session)) if call.session else None
    return _Request(call, str(session), user, arguments)


def _count(call: Call, params: list[object]) -> None:
    received = len(params) - call.session
    too_many = received > len(call.params) and call.mandatory == len(call.params)
    if received < call.mandatory or too_many:
        raise XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", call.name, str(call.mandatory), str(received))


def _start(pool: Pool, name: str, request: _Request, origin: Origin) -> str:
    if not request.call.asynchronous:
        raise XapiError("Fault", f"No async mode for this operation (rpc: {name})")
    if origin.task:  # whoever lent the task completes it
        pool.start(lambda: _work(pool, request, origin.task), name)
        return origin.task
    task = tasks.begin(pool, request.session, name)
    _note(pool, task, origin)
    pool.start(lambda: _complete(pool, request, task), name)
    return task


def _work(pool: Pool, request: _Request, task: str) -> None:
    with contextlib.suppress(XapiError):
        _run(pool, request, task)


def _complete(pool: Pool, request: _Request, task: str) -> None:
    if not pool.db.has("task", task):  # the toolstack restarted before the work began
        return
    try:
        result = _run(pool, request, task)
    except XapiError as error:
        tasks.fail(pool, task, error)
    else:
        tasks.succeed(pool, task, values.encode(result.value, result.type))


def _run(pool: Pool, request: _Request, task: str) -> Typed:
    call = request.call
    if request.user is not None:
        assert_permitted(pool, request.session, request.user, call.name, request.arguments)
    with rpc_faults.working(pool, task, call.name, request.arguments):
        try:
            result = call.run(Context(pool, request.session, task), *request.arguments)
        except (ArithmeticError, LookupError, OSError, ValueError) as error:
            raise internal_error(f"{type(error).__name__}: {error}") from error
    return Typed(shown(pool.settings.profile, result, call.result), call.result)
