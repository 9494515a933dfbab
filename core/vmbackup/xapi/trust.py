"""Whom we talk to: where a pool is, and how its certificate is trusted. Every connection to a pool is made here."""

import hashlib
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from vmbackup.errors import ConfigError, TransferError, Untrusted

CONNECT_SECONDS = 30.0
# A dead peer is noticed after 60 + 6 * 10 seconds, however long the pool may take to answer (xapi: helpers.ml, 2 h).
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a pool's coordinator listens."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read `https://host[:port]`; plain HTTP is taken for loopback only, since it would show the password."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is not the URL of a pool: {error}") from None
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
            raise ConfigError(
                f"{url!r} is not the URL of a pool", advice="Write it as https://host or https://host:port."
            )
        if parts.scheme == "http" and not _loopback(host):
            raise ConfigError(f"{url!r}: the password would cross the network in clear", advice="Use https://.")
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls)

    def beside(self, host: str) -> "Address":
        """Return another member of the pool: XAPI names it without a port, and all listen on the same."""
        return Address(host, self.port, self.tls)

    @property
    def url(self) -> str:
        """The URL, with its port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == (443 if self.tls else 80) else f":{self.port}"
        return f"{'https' if self.tls else 'http'}://{host}{port}"


@dataclass(frozen=True, slots=True)
class Trust:
    """How certificates are trusted: by a SHA-256 fingerprint (lower-case hex), by a CA file, or by the system.

    `hosts` has the fingerprints of the members that show another certificate than the coordinator's, by address.
    """

    fingerprint: str | None = None
    ca: Path | None = None
    hosts: tuple[tuple[str, str], ...] = ()

    def of(self, host: str) -> str | None:
        """Return the fingerprint that `host` must show, if there is one."""
        return dict(self.hosts).get(host, self.fingerprint)


def normal_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as lower-case hex, from any of the usual ways to write it. Raises ValueError."""
    bare = re.sub(r"^sha-?256(\s+fingerprint)?\s*[:=]", "", text.strip(), flags=re.IGNORECASE)
    digits = re.sub(r"[:\s]", "", bare).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a SHA-256 fingerprint has 64 hexadecimal digits")
    return digits


def connections(address: Address, trust: Trust, *, read_seconds: float) -> HTTPConnectionPool:
    """Return a pool of connections to `address`; nothing is sent before the certificate is found trusted.

    Raises ConfigError if there is no CA file to be read.
    """
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
    if not address.tls:
        return HTTPConnectionPool(
            address.host, address.port, timeout=timeout, maxsize=4, retries=False, socket_options=KEEPALIVE
        )
    if trust.ca:
        _check_readable(trust.ca)
    return HTTPSConnectionPool(
        address.host,
        address.port,
        timeout=timeout,
        maxsize=4,
        retries=False,
        socket_options=KEEPALIVE,
        cert_reqs="CERT_NONE" if trust.of(address.host) else "CERT_REQUIRED",
        ca_certs=str(trust.ca) if trust.ca else None,
        assert_fingerprint=trust.of(address.host),
    )


def presented_fingerprint(address: Address) -> str:
    """Return the SHA-256 of the certificate that `address` shows, as lower-case hex. Nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS) as plain,
            context.wrap_socket(plain) as secure,
        ):
            certificate = secure.getpeercert(binary_form=True)
    except OSError as error:
        raise TransferError(f"{address.url} cannot be reached: {error}") from error
    return hashlib.sha256(certificate or b"").hexdigest()


def is_distrust(error: BaseException | None) -> bool:
    """Whether a connection failed because of the certificate, and not for another reason of TLS's."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "Fingerprints did not match" in str(error):
            return True
        inner = error.args[0] if error.args else None
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return False


def untrusted(address: Address, trust: Trust, error: Exception) -> Untrusted:
    """Say why the connection was refused, with the fingerprint that is trusted and the one that was shown."""
    try:
        shown = f"sha256:{presented_fingerprint(address)}"
    except TransferError:
        shown = "one that it did not show again when it was asked"
    if pinned := trust.of(address.host):
        why = f"trusted is sha256:{pinned}, but it shows {shown}"
    else:
        by = f"the CA file {trust.ca}" if trust.ca else "the system's CAs"
        why = f"{by} do not vouch for it ({_reason(error)}); it shows {shown}"
    return Untrusted(
        f"the certificate of {address.url} is not trusted: {why}",
        advice=f"Compare it with the host's own; if it is right: vmbackup trust {address.url}",
    )


def _check_readable(ca: Path) -> None:
    """Raise ConfigError for a CA file that would only show itself as a connection that fails."""
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError(
            f"the CA file {ca} cannot be used: {error}", advice="pool.tls.ca names a file of PEM certificates."
        ) from error


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
