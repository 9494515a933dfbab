"""JSON-RPC 1.0 and 2.0 as xapi speaks them (ocaml-rpc, jsonrpc.ml; api_server.ml): native types, dates as strings."""

import json
from dataclasses import dataclass
from typing import Literal

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.schema import MODEL, Type, Typed

_ERROR = 1  # XAPI uses no other code; it is only there because the second version asks for one


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `id` goes back as it came, and the answer is of the request's version."""

    version: Literal[1, 2]
    id: int | str
    method: str
    params: list[object]


UNREADABLE = Request(1, 0, "", [])  # what is answered when a request could not be read


def parse(text: str) -> Request:
    """Read a request. Raises ValueError for what is none; a notification (one without `id`) is none either."""
    match json.loads(text):
        case {"id": bool()}:
            pass
        case {"jsonrpc": "2.0", "method": str(method), "id": int(number) | str(number), **rest}:
            return Request(2, number, method, _any_params(rest.get("params")))
        case {"jsonrpc": _}:
            pass
        case {"method": str(method), "params": list(params), "id": int(number) | str(number)}:
            return Request(1, number, method, params)
    raise ValueError("no JSON-RPC request")


def _any_params(given: object) -> list[object]:
    match given:
        case None:
            return []
        case list():
            return given
        case dict():
            return [given]
    raise ValueError("Invalid field 'params' in request body")


def native(value: object, kind: Type) -> object:
    """Turn a value of a declared type into what `json` writes."""
    match value:
        case Typed():
            return native(value.value, value.type)
        case None:
            return ""
        case list():
            return [native(item, kind.items or kind) for item in value]
        case dict() if kind.kind == "record":
            fields = MODEL.classes[kind.name]
            return {name: native(item, fields[name].type) for name, item in value.items()}
        case dict():
            return {str(key): native(item, kind.items or kind) for key, item in value.items()}
    return value


def success(request: Request, result: object) -> str:
    """Write the answer of a call that worked; `result` is native already."""
    if request.version == 1:
        return _written({"result": result, "error": None, "id": request.id})
    return _written({"jsonrpc": "2.0", "result": result, "id": request.id})


def failure(request: Request, error: XapiError) -> str:
    """Write the answer of a call that was refused: an array in the first version, an object in the second."""
    if request.version == 1:
        return _written({"result": None, "error": error.description, "id": request.id})
    told = {"code": _ERROR, "message": error.code, "data": list(error.params)}
    return _written({"jsonrpc": "2.0", "error": told, "id": request.id})


def _written(answer: dict[str, object]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
