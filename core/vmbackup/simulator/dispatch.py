"""From a request's body to its answer: finding the call, counting and checking parameters, tasks (gen_server.ml)."""

import uuid as uuids
from dataclasses import dataclass

from vmbackup.simulator import calls, tasks, values
from vmbackup.simulator.calls.table import Call, Context
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.faults import CallFails, CallHook
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import parse_type

_ASYNC = "Async."
_REF = parse_type("task ref")
_NAMES = parse_type("string set")
_SPELT_WITH_UNDERSCORE = {name.replace(".", "_", 1): call for name, call in calls.ALL.items()}


@dataclass(frozen=True, slots=True)
class _Request:
    call: Call
    session: str
    arguments: list[object]


def answer(pool: Pool, body: bytes) -> str:
    """Answer a `methodCall`. Raises ValueError when the body is none."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return values.failure(XapiError("INVALID_VALUE", "", "a parameter is not UTF-8"))
    name, params = values.parse_call(body)
    if name == "system.listMethods":
        return values.bare(values.encode(sorted(calls.ALL), _NAMES))
    try:
        if name.startswith(_ASYNC):
            return values.success(_start(pool, name, params))
        return values.success(_run(pool, _request(pool, name, params), f"DummyRef:|{uuids.uuid4()}|{name}"))
    except XapiError as error:
        return values.failure(error)


def _request(pool: Pool, name: str, params: list[object]) -> _Request:
    call = calls.ALL.get(name) or _SPELT_WITH_UNDERSCORE.get(name)
    if call is None:
        raise XapiError("MESSAGE_METHOD_UNKNOWN", name)
    _count(call, params)
    session = values.coerce(params[0], parse_type("session ref")) if call.session else ""
    given = params[1:] if call.session else params
    arguments = [values.coerce(value, param.type) for value, param in zip(given, call.params, strict=False)]
    arguments += [param.default for param in call.params[len(arguments) :]]
    if call.session and not pool.db.has("session", str(session)):
        raise XapiError("SESSION_INVALID", str(session))
    return _Request(call, str(session), arguments)


def _count(call: Call, params: list[object]) -> None:
    received = len(params) - call.session
    too_many = received > len(call.params) and call.mandatory == len(call.params)
    if received < call.mandatory or too_many:
        raise XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", call.name, str(call.mandatory), str(received))


def _start(pool: Pool, name: str, params: list[object]) -> str:
    request = _request(pool, name.removeprefix(_ASYNC), params)
    if not request.call.asynchronous:
        raise XapiError("Fault", f"No async mode for this operation (rpc: {name})")
    task = tasks.begin(pool, name)
    pool.start(lambda: _complete(pool, request, task), name)
    return values.encode(task, _REF)


def _complete(pool: Pool, request: _Request, task: str) -> None:
    try:
        result = _run(pool, request, task)
    except XapiError as error:
        tasks.fail(pool, task, error)
    else:
        tasks.succeed(pool, task, result)


def _run(pool: Pool, request: _Request, task: str) -> str:
    call = request.call
    struck = pool.faults.for_call(call.name, request.arguments)
    for rule in struck:
        if isinstance(rule, CallHook) and rule.when == "before":
            rule.run()
        elif isinstance(rule, CallFails):
            raise XapiError(rule.code, *rule.params)
    try:
        result = call.run(Context(pool, request.session, task), *request.arguments)
    except (ArithmeticError, LookupError, OSError, ValueError) as error:
        raise internal_error(f"{type(error).__name__}: {error}") from error
    for rule in struck:
        if isinstance(rule, CallHook) and rule.when == "after":
            rule.run()
    return values.encode(result, call.result)
