"""HTTP as xapi's own server speaks it (http.ml, http_svr.ml): reading a request's head, writing the fixed answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

HEAD_LIMIT = 1006  # bytes of request line and headers that xapi's 1024-byte buffer really takes
BODY_LIMIT = 300 << 10  # bytes of an RPC's body (constants.ml, http_limit_max_rpc_size)
METHODS = frozenset({"GET", "PUT", "POST", "CONNECT", "OPTIONS"})
_NO_CACHE = "cache-control: no-cache, no-store"


class Refused(Exception):
    """A request that gets a fixed answer; `answer` is the whole of it, after which the connection closes."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head: header names in lower case, query and cookies percent-decoded."""

    method: str
    path: str
    version: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """The declared length of the body in bytes, or None."""
        value = self.headers.get("content-length", "")
        return int(value) if re.fullmatch(r"\d+", value) else None

    @property
    def keeps_alive(self) -> bool:
        """Say whether the connection goes on after this request."""
        return self.version == "1.1" and self.headers.get("connection", "").lower() != "close"

    @property
    def target(self) -> str:
        """The path with its query, decoded."""
        return self.path + "?" + "&".join(f"{key}={value}" for key, value in self.query.items())

    def parameter(self, name: str) -> str | None:
        """Give a parameter from the cookies, or else from the query."""
        return self.cookies.get(name, self.query.get(name))


def parse_head(head: bytes) -> Request:
    """Read a request's head without the blank line at its end. Raises Refused."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004  method, target, version
        raise Refused(simple("1.1", "400 Bad Request", "<html><body><h1>HTTP 400 bad request</h1></body></html>"))
    method, target, version = words[0], words[1], words[2].removeprefix("HTTP/")
    if method not in METHODS:
        raise Refused(simple(version, "501 Method not implemented", _page("501 method not implemented", "")))
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    path, _, query = target.partition("?")
    pairs = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    return Request(method, unquote(path), version, pairs, headers, _cookies(headers.get("cookie", "")))


def _cookies(text: str) -> dict[str, str]:
    """Split `a=b;c=d`. A blank after the semicolon becomes part of the key, as it does on a real server."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _page(heading: str, more: str) -> str:
    return f"<html><body><h1>HTTP {heading}</h1>{more}</body></html>"


def simple(version: str, status: str, body: str, *headers: str) -> bytes:
    """Write a whole answer with an HTML body, after which the connection is closed."""
    content = body.encode()
    head = [
        f"HTTP/{version} {status}",
        f"content-length: {len(content)}",
        "content-type: text/html",
        "connection: close",
        _NO_CACHE,
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


def internal_error(version: str, description: list[str] | None) -> bytes:
    """Write the 500 that is the whole answer, or that is appended to a body that broke (http_svr.ml)."""
    more = (
        "An unexpected error occurred; please wait a while and try again. If the problem persists, please contact your "
        "support representative."
    )
    if description:
        code, *params = description
        more += f"<h1> Additional information </h1>{code}: [ {'; '.join(params)} ]"
    return simple(version, "500 Internal Error", _page("500 internal server error", more))


def unauthorised(version: str, action: str) -> bytes:
    """Write the 401 of a handler: no session, one that expired, or a wrong password."""
    more = "You must authenticate yourself before you can use this resource."
    realm = f'WWW-Authenticate: Basic realm="{action}"'
    return simple(version, "401 Unauthorised", _page("401 unauthorised", more), realm)


def forbidden(version: str) -> bytes:
    """Write the 403 of a request that no handler is for."""
    return simple(version, "403 Forbidden", _page("403 forbidden", "Access to the requested resource is forbidden."))


def missing(version: str) -> bytes:
    """Write the 404 of the static file server."""
    return simple(version, "404 Not Found", _page("404 not found", "The requested resource was not found."))


def bad_request(version: str) -> bytes:
    """Write a 400."""
    return simple(version, "400 Bad Request", _page("400 bad request", ""))


def redirect(location: str) -> bytes:
    """Write a 302, which has no body."""
    head = ["HTTP/1.1 302 Found", "Connection: close", "Cache-Control: no-cache, no-store", f"Location: {location}"]
    return "\r\n".join([*head, "", ""]).encode()


def rpc_answer(request: Request, body: bytes, media_type: str) -> bytes:
    """Write the answer to an RPC; API failures come with 200 too (api_server.ml)."""
    head = [
        f"HTTP/{request.version} 200 OK",
        f"content-length: {len(body)}",
        f"connection: {'keep-alive' if request.keeps_alive else 'close'}",
        _NO_CACHE,
        f"content-type: {media_type}",
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Headers: X-Requested-With",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
