"""Who is let in, and what is said to those who are not."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.targets.smb.conftest import settings
from tests.plugins.targets.smb.samba import Samba, running

from vmbackup import ConfigError, TargetError
from vmbackup_targets.smb.target import Smb

Servers = Callable[[str], Samba]


def refusal(server: Samba, /, **more: object) -> TargetError:
    with (
        pytest.raises(TargetError, match="target nas: the folder could not be opened: ") as raised,
        enter(server, more),
    ):
        pass
    assert "Traceback" not in str(raised.value)
    return raised.value


def enter(server: Samba, more: dict[str, object]) -> Smb:
    return Smb("nas", settings(server, **more))


@pytest.mark.parametrize(
    ("more", "message", "advice"),
    [
        ({"password": "wrong"}, "STATUS_LOGON_FAILURE", "Check username, password and domain"),
        ({"username": "nobody-of-that-name"}, "STATUS_LOGON_FAILURE", "Check username, password and domain"),
        ({"share": "nothing"}, "STATUS_BAD_NETWORK_NAME", "lists those it has"),
        ({"folder": "not"}, "STATUS_OBJECT_NAME_NOT_FOUND", "never made"),
        ({"folder": "not/there"}, "STATUS_OBJECT_PATH_NOT_FOUND", "never made"),
        ({"server": "name.invalid"}, "no connection could be made", "is its name right"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_login_that_fails_says_why(servers: Servers, more: dict[str, object], message: str, advice: str) -> None:
    error = refusal(servers("encrypted"), **more)
    assert message in error.message
    assert advice in error.advice


def test_a_file_is_no_folder_to_store_in(servers: Servers) -> None:
    server = servers("encrypted")
    (server.share / "file").touch()
    try:
        assert "A file stands in the place of a folder" in refusal(server, folder="file").advice
    finally:
        (server.share / "file").unlink()


def test_a_port_on_which_nobody_listens(tmp_path: Path) -> None:
    error = refusal(Samba(tmp_path / "samba"))
    assert "Connection refused" in error.message
    assert "Is the server up" in error.advice


@pytest.mark.parametrize(
    ("options", "encrypt", "message", "advice"),
    [
        ({"server min protocol": "NT1", "server max protocol": "NT1"}, False, "closes the connection", "SMB3"),
        ({"server max protocol": "SMB2_02"}, False, "no newer dialect than SMB 2.0.2", "server max protocol = SMB3"),
        ({"server max protocol": "SMB2_10"}, True, "speaks SMB 2.1, which cannot encrypt", "encrypt = false"),
        ({"server smb encrypt": "off"}, True, "does not encrypt", "server smb encrypt = desired"),
        ({"map to guest": "bad user", "guest account": "nobody"}, True, "as a guest only", "whom the server knows"),
        ({"map to guest": "bad user", "guest account": "nobody"}, False, "as a guest only", "whom the server knows"),
    ],
    ids=["SMB 1 only", "SMB 2.0.2 only", "too old to encrypt", "does not encrypt", "guest", "guest, unencrypted"],
)
def test_a_server_that_is_not_good_enough(
    tmp_path: Path, options: dict[str, str], *, encrypt: bool, message: str, advice: str
) -> None:
    with running(Samba(tmp_path / "samba", options)) as server:
        who = {"username": "nobody-of-that-name"} if "map to guest" in options else {}
        error = refusal(server, encrypt=encrypt, **who)
    assert message in error.message
    assert advice in error.advice


def test_a_namespace_is_no_share(tmp_path: Path) -> None:
    with running(Samba(tmp_path / "samba", share_options={"msdfs root": "yes"})) as server:
        error = refusal(server)
    assert "DFS namespace" in error.message
    assert "leads to" in error.advice


def test_a_share_that_asks_for_encryption_by_itself_gets_it(tmp_path: Path) -> None:
    with (
        running(Samba(tmp_path / "samba", share_options={"smb encrypt": "required"})) as server,
        enter(server, {"encrypt": False}) as target,
    ):
        target.store("key", [b"x" * 3_000_000])
        assert b"".join(target.fetch("key")) == b"x" * 3_000_000


def test_what_is_no_server_at_all_is_given_up_on() -> None:
    """It takes the connection and says nothing, or it talks of something else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        talking = threading.Thread(target=_say_hello, args=(listener,))
        talking.start()
        for message in ("not understood|closed the connection|closes the connection", "has not answered for 1 s"):
            section = {"server": "127.0.0.1", "port": port, "share": "x", "username": "u", "password": "p"}
            target = Smb("nas", Smb.Settings.model_validate({**section, "timeout": 1}))
            with pytest.raises(TargetError, match=message), target:
                pass
        talking.join()


def _say_hello(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()
    connection, _ = listener.accept()
    with connection:
        while connection.recv(1000):
            pass


def test_a_password_that_cannot_be_had_is_a_mistake_in_the_configuration(servers: Servers) -> None:
    with (
        pytest.raises(ConfigError, match="NO_SUCH_VARIABLE"),
        enter(servers("encrypted"), {"password": {"env": "NO_SUCH_VARIABLE"}}),
    ):
        pass
