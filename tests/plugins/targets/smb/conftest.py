from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.plugins.targets.smb.samba import PASSWORD, USER, Samba, running

from vmbackup_targets.smb.settings import SmbSettings
from vmbackup_targets.smb.target import Smb

# What a server is told, and what the target is told that goes there. The last two take the library's own requests.
MODES: dict[str, tuple[dict[str, str], bool]] = {
    "encrypted": ({"server smb encrypt": "required"}, True),
    "signed": ({"server smb encrypt": "if_required"}, False),
    "signed with CMAC": ({"server max protocol": "SMB3_02", "server smb encrypt": "off"}, False),
    "encrypted with CCM": ({"server smb3 encryption algorithms": "AES-128-CCM"}, True),
    "signed with HMAC": ({"server max protocol": "SMB2_10"}, False),
}


def settings(server: Samba, /, **more: object) -> SmbSettings:
    """The settings of a target on `server`, with a patience that suits a test."""
    usual = {"server": "127.0.0.1", "port": server.port, "share": "backups", "username": USER, "password": PASSWORD}
    return SmbSettings.model_validate({**usual, "timeout": 10, **more})


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Samba]]:
    """Servers by what they demand, each started when it is first asked for."""
    started: dict[str, Samba] = {}

    def of(mode: str) -> Samba:
        if mode not in started:
            server = Samba(tmp_path_factory.mktemp("samba") / "server", MODES[mode][0])
            server.start()
            started[mode] = server
        return started[mode]

    yield of
    for server in started.values():
        server.stop()


@pytest.fixture(params=["encrypted", "signed"])
def mode(request: pytest.FixtureRequest) -> str:
    """How messages are protected."""
    mode: str = request.param
    return mode


@pytest.fixture
def server(servers: Callable[[str], Samba], mode: str) -> Iterator[Samba]:
    """A server on which nothing lies, before and after."""
    server = servers(mode)
    yield server
    assert server.files() == set(), "a test leaves its share empty, or asks for a server of its own"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Samba]:
    """A server for one test alone, which demands encryption."""
    with running(Samba(tmp_path / "samba", MODES["encrypted"][0])) as server:
        yield server


@pytest.fixture
def target(server: Samba, mode: str) -> Iterator[Smb]:
    with Smb("nas", settings(server, encrypt=MODES[mode][1])) as entered:
        yield entered
