"""One POST to a web address, by the standard library: it logs nothing, and follows nobody elsewhere.

An address is a secret here, for that of a ping or of a web hook is all that it takes to send one. So errors name the
host alone.
"""

import base64
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field

from vmbackup import NotifyError, Secret, Settings, __version__, plain
from vmbackup_notifiers.attempts import Passing, tried

_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_GOOD: Final = range(200, 300)
_SHOWN: Final = 200
_ADVICE: Final = "Check url and ca of this notifier, and what the server's log says."


class WebSettings(Settings):
    """Where it is sent, and how patiently."""

    url: Secret = Field(description="the whole address, which is as good as a password")
    ca: Path | None = Field(default=None, description="a file of CA certificates, trusted besides the system's own")
    timeout: float = Field(default=10, gt=0, le=120, description="seconds that the server may take")
    retries: int = Field(default=2, ge=0, le=5, description="how often what may pass by itself is tried again at once")
    retry_wait: float = Field(default=2, gt=0, le=60, description="seconds before the first retry; they double")


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its parts; `login` is "" or the value of a header."""

    tls: bool
    host: str
    port: int | None
    path: str
    query: str
    login: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take an address apart. Raises ValueError, whose words show nothing of it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("it is no web address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("it does not begin with https:// or http:// and a host")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("it holds what no web address may")
        login = ""
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            login = f"Basic {base64.b64encode(words.encode()).decode()}"
        return cls(parts.scheme == "https", parts.hostname, port, parts.path, parts.query, login)

    def below(self, name: str) -> Self:
        """Return the address of what stands below this one."""
        return replace(self, path=f"{self.path.rstrip('/')}/{name}")

    def asking(self, query: str) -> Self:
        """Return it with more in its query."""
        return replace(self, query=f"{self.query}&{query}" if self.query else query)


class Web:
    """Sends to the address of a notifier."""

    def __init__(self, label: str, settings: WebSettings) -> None:
        """`label` is the notifier's."""
        self._label = label
        self._settings = settings

    def address(self) -> Address:
        """Read the address. Raises NotifyError where it is none."""
        try:
            return Address.parse(self._settings.url.reveal())
        except ValueError as error:
            raise NotifyError(f"notifier {self._label}: its url cannot be used: {error}", advice=_ADVICE) from None

    def post(self, address: Address, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body, again where that may help. Raises NotifyError unless the server says that it has taken it."""
        login = {"Authorization": address.login} if address.login else {}
        said = {"User-Agent": f"vmbackup/{__version__}", **login, **headers}
        tried(lambda: self._post(address, body, said), self._settings.retries, self._settings.retry_wait)

    def _post(self, address: Address, body: bytes, headers: Mapping[str, str]) -> None:
        who = f"notifier {self._label}: {address.host}"
        connection = self._connection(address)
        try:
            target = address.path or "/"
            connection.request("POST", f"{target}?{address.query}" if address.query else target, body, dict(headers))
            with closing(connection.getresponse()) as answer:
                status, reason = answer.status, plain(answer.reason, _SHOWN)
        except ssl.SSLError as error:
            # None of these is chained: what the libraries say may hold the address.
            words = f"{who} could not be trusted: {plain(getattr(error, 'verify_message', '') or error.reason, _SHOWN)}"
            raise NotifyError(words, advice=_ADVICE) from None
        except TimeoutError:
            raise Passing(f"{who} did not answer for {self._settings.timeout:g} s", advice=_ADVICE) from None
        except OSError as error:
            raise Passing(f"{who} could not be reached: {plain(error.strerror or 'closed')}", advice=_ADVICE) from None
        except HTTPException as error:
            raise Passing(f"{who} does not speak HTTP: {type(error).__name__}", advice=_ADVICE) from None
        finally:
            connection.close()
        if status in _MAY_PASS:
            raise Passing(f"{who} answered {status} {reason}", advice=_ADVICE)
        if status not in _GOOD:
            raise NotifyError(f"{who} answered {status} {reason}", advice=_ADVICE)

    def _connection(self, address: Address) -> HTTPConnection:
        timeout = self._settings.timeout
        if not address.tls:
            return HTTPConnection(address.host, address.port, timeout=timeout)
        trust = ssl.create_default_context()
        if (ca := self._settings.ca) is not None:
            try:
                trust.load_verify_locations(ca)
            except OSError as error:
                message = f"notifier {self._label}: {ca}: no CA certificates can be read: {error.strerror}"
                raise NotifyError(message, advice=_ADVICE) from None
        return HTTPSConnection(address.host, address.port, timeout=timeout, context=trust)
