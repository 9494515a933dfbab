"""Logins to Debian's smbd with tickets of MIT's KDC; `make kerberos` installs what this needs and runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kerberos.kdc import REALM, Kdc
from tests.plugins.targets.smb.samba import USER, Samba, running

from vmbackup import TargetError
from vmbackup_targets.smb.settings import SmbSettings
from vmbackup_targets.smb.target import Smb
from vmbackup_targets.smb.wire_lane import WireLane

PASSWORD = "canary-2Wd7"
DATA = b"x" * 3_000_000


@pytest.fixture
def kdc(tmp_path: Path) -> Iterator[Kdc]:
    kdc = Kdc(tmp_path / "kdc")
    kdc.add_user(USER, PASSWORD)
    kdc.add_service("cifs/localhost")
    with kdc.running():
        yield kdc


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where the tickets of this process lie; there is none yet."""
    return tmp_path / "tickets"


@pytest.fixture
def server(kdc: Kdc, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Samba]:
    monkeypatch.setenv("KRB5_CONFIG", str(kdc.config))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
    options = {
        "realm": REALM,
        "kerberos method": "dedicated keytab",
        "dedicated keytab file": str(kdc.keytab),
        "server smb encrypt": "required",
    }
    with running(Samba(tmp_path / "samba", options)) as server:
        yield server


def target(server: Samba, /, **more: object) -> Smb:
    section = {"server": "localhost", "port": server.port, "share": "backups", "timeout": 10, **more}
    return Smb("nas", SmbSettings.model_validate(section))


@pytest.mark.parametrize("more", [{}, {"username": USER}], ids=["whoever it is of", "a user's"])
def test_a_ticket_stands_for_user_and_password(kdc: Kdc, server: Samba, cache: Path, more: dict[str, str]) -> None:
    kdc.ticket(USER, PASSWORD, cache)
    with target(server, auth="kerberos", **more) as entered:
        assert isinstance(entered._way().lane, WireLane)
        entered.store("key", [DATA])
        assert b"".join(entered.fetch("key")) == DATA


@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
def test_user_and_password_fetch_a_ticket_of_their_own(server: Samba, auth: str) -> None:
    """The server knows the user by another password, so that NTLM cannot have been what let us in."""
    with target(server, auth=auth, username=USER, password=PASSWORD) as entered:
        entered.store("key", [DATA])
        assert b"".join(entered.fetch("key")) == DATA


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "No Kerberos credentials available"),
        ({"username": USER}, "Can't find client principal"),
        ({"username": USER, "password": "wrong"}, "Decrypt integrity check failed"),
        ({"username": "nobody-of-that-name", "password": PASSWORD}, "not found in Kerberos database"),
    ],
    ids=["no ticket", "no ticket of this user", "wrong password", "no such user"],
)
def test_a_login_that_fails_says_why(server: Samba, more: dict[str, str], message: str) -> None:
    with (
        pytest.raises(TargetError, match="the login could not be made: ") as raised,
        target(server, auth="kerberos", **more),
    ):
        pass
    assert message in raised.value.message
    assert "klist" in raised.value.advice


def test_a_server_that_the_realm_does_not_know(kdc: Kdc, server: Samba, cache: Path) -> None:
    kdc.ticket(USER, PASSWORD, cache)
    with (
        pytest.raises(TargetError, match="the login could not be made: ") as raised,
        target(server, auth="kerberos", server="127.0.0.1"),
    ):
        pass
    assert "cifs/NAME" in raised.value.advice
