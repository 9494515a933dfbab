"""Whom we talk to: addresses, fingerprints, CA files, and what is said when the certificate is another."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.xapi.pool import Server

from vmbackup.errors import ConfigError, TransferError, Untrusted
from vmbackup.simulator import Simulator
from vmbackup.simulator.certificate import server_context
from vmbackup.xapi.session import Session
from vmbackup.xapi.trust import Address, Trust, normal_fingerprint, presented_fingerprint

HEX = "0123456789abcdef" * 4
COLONS = ":".join(HEX.upper()[at : at + 2] for at in range(0, 64, 2))
SPELLINGS = [
    HEX,
    HEX.upper(),
    COLONS,
    COLONS.lower(),
    f"sha256:{HEX}",
    f"SHA256:{COLONS}",
    f"sha-256={COLONS}",
    f"sha256 Fingerprint={COLONS}",
    f"SHA256 Fingerprint={COLONS}",
    COLONS.replace(":", " "),
    f"  {HEX}\n",
]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Simulator]:
    """An empty pool behind TLS."""
    with Simulator(tmp_path / "sim") as running:
        yield running


def _session(url: str, trust: Trust) -> Session:
    return Session(Address.parse(url), trust, "root", "simulated", originator="vmbackup-test")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_fingerprint(spelling: str) -> None:
    assert normal_fingerprint(spelling) == HEX


@pytest.mark.parametrize(
    "wrong", ["", HEX[:-1], HEX + "0", f"sha1:{HEX[:40]}", f"md5:{HEX}", "g" * 64, f"SHA256:{HEX[:43]}="]
)
def test_what_is_no_sha256_fingerprint(wrong: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        normal_fingerprint(wrong)


def test_the_trusted_fingerprint_opens_a_session(pool: Simulator) -> None:
    shown = presented_fingerprint(Address.parse(pool.url))
    assert shown == normal_fingerprint(pool.fingerprint)
    with _session(pool.url, Trust(shown)) as session:
        assert len(session.records("pool")) == 1


def test_a_ca_file_opens_a_session(pool: Simulator) -> None:
    with _session(pool.url, Trust(ca=pool.certificate)) as session:
        assert len(session.records("pool")) == 1


def test_a_wrong_fingerprint_is_named_with_the_right_one_and_nothing_is_sent(pool: Simulator) -> None:
    with pytest.raises(Untrusted) as caught, _session(pool.url, Trust(HEX)):
        pass
    assert HEX in caught.value.message
    assert normal_fingerprint(pool.fingerprint) in caught.value.message
    assert f"vmbackup trust {pool.url}" in caught.value.advice
    assert pool.records("session") == {}


def test_the_systems_cas_do_not_vouch_for_a_hosts_own_certificate(pool: Simulator) -> None:
    with pytest.raises(Untrusted, match="the system's CAs do not vouch for it") as caught, _session(pool.url, Trust()):
        pass
    assert normal_fingerprint(pool.fingerprint) in caught.value.message


def test_a_ca_that_has_signed_something_else_does_not_vouch(pool: Simulator, tmp_path: Path) -> None:
    with Simulator(tmp_path / "other") as other:
        ca = other.certificate
        with pytest.raises(Untrusted, match="do not vouch") as caught, _session(pool.url, Trust(ca=ca)):
            pass
    assert str(ca) in caught.value.message


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_a_fault_of_the_configuration(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem cannot be used"):
        _session("https://127.0.0.1:1", Trust(ca=path))


def test_a_server_that_hangs_up_in_the_handshake_is_not_distrusted() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(1 << 16)

    for trust in (Trust(HEX), Trust()):
        with Server(hang_up) as server:
            url = f"https://{server.host}:{server.port}"
            with pytest.raises(TransferError, match="does not answer"), _session(url, trust):
                pass
            with pytest.raises(TransferError, match="cannot be reached"):
                presented_fingerprint(Address.parse(url))


def test_a_server_that_speaks_no_tls_is_not_distrusted() -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Server(plain) as server:
        url = f"https://{server.host}:{server.port}"
        with pytest.raises(TransferError, match="does not answer"), _session(url, Trust(HEX)):
            pass


def test_a_wrong_certificate_that_is_not_shown_again_is_distrusted_all_the_same(pool: Simulator) -> None:
    """The second look is only for the message; a server that refuses it must not turn the error into another."""
    context = server_context(pool.certificate)
    looks = []

    def once(connection: socket.socket) -> None:
        looks.append(connection)
        if len(looks) == 1:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

    with Server(once) as server:
        url = f"https://{server.host}:{server.port}"
        with pytest.raises(Untrusted, match="did not show again") as caught, _session(url, Trust(HEX)):
            pass
    assert HEX in caught.value.message
    assert len(looks) == 2


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(TransferError, match="refused"), _session(f"https://127.0.0.1:{port}", Trust(HEX)):
        pass


@pytest.mark.parametrize(
    ("url", "address", "back"),
    [
        ("https://xen1", Address("xen1", 443, tls=True), "https://xen1"),
        ("https://xen1/", Address("xen1", 443, tls=True), "https://xen1"),
        ("https://xen1:8443", Address("xen1", 8443, tls=True), "https://xen1:8443"),
        ("https://[2001:db8::1]:8443", Address("2001:db8::1", 8443, tls=True), "https://[2001:db8::1]:8443"),
        ("http://localhost", Address("localhost", 80, tls=False), "http://localhost"),
        ("http://127.0.0.2:81", Address("127.0.0.2", 81, tls=False), "http://127.0.0.2:81"),
        ("http://[::1]", Address("::1", 80, tls=False), "http://[::1]"),
    ],
)
def test_addresses(url: str, address: Address, back: str) -> None:
    assert Address.parse(url) == address
    assert address.url == back


@pytest.mark.parametrize("url", ["http://xen1", "http://192.0.2.1", "http://[2001:db8::1]", "http://localhost.evil"])
def test_a_password_does_not_cross_the_network_in_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="in clear"):
        Address.parse(url)


@pytest.mark.parametrize(
    "url", ["", "xen1", "ftp://xen1", "https://", "https://root:pw@xen1", "https://xen1?a=b", "https://xen1:99999"]
)
def test_what_is_no_address_of_a_pool(url: str) -> None:
    with pytest.raises(ConfigError, match="is not the URL of a pool"):
        Address.parse(url)
