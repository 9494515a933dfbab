"""SFTP against a real sshd."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from pydantic import ValidationError
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.mirrors.servers import Sshd

from vmbackup import ConfigError, TargetError, TargetLost
from vmbackup.conformance import FolderPlace
from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.originals import MadeOriginal, folder
from vmbackup.conformance.originals import original as small
from vmbackup.conformance.places import require_whole
from vmbackup.testing import MirrorContract
from vmbackup_mirrors.sftp import Sftp
from vmbackup_mirrors.sftp.settings import SftpSettings

LARGE = 48 * MIB
PARTIAL = ".image.xva.vmbackup-partial"


def over(sshd: Sshd, **more: object) -> Sftp:
    usual = {
        "host": "127.0.0.1",
        "port": sshd.port,
        "folder": str(sshd.root),
        "username": "root",
        "identity": sshd.identity,
        "known_hosts": sshd.known_hosts,
    }
    return Sftp("far", SftpSettings.model_validate({**usual, **more}))


def through(proxy: Proxy, sshd: Sshd, **more: object) -> Sftp:
    sshd.know(proxy.port)
    return over(sshd, port=proxy.port, **more)


def large() -> MadeOriginal:
    return MadeOriginal(folder(0), {"image.xva": noise(LARGE), "ova.xml": noise(1000)})


class TestSftp(MirrorContract):
    @pytest.fixture
    def mirror(self, sshd: Sshd) -> Iterator[Sftp]:
        with over(sshd) as entered:
            yield entered

    @pytest.fixture
    def place(self, sshd: Sshd) -> FolderPlace:
        return FolderPlace(sshd.root)

    @pytest.fixture
    def slow_mirror(self, sshd: Sshd) -> Iterator[Sftp]:
        with Proxy(sshd.port, rate=2600 << 10) as proxy, through(proxy, sshd) as entered:
            yield entered

    @pytest.fixture
    def broken_mirror(self, sshd: Sshd) -> Sftp:
        return over(sshd, folder=f"{sshd.root}/away")


def test_of_a_file_that_was_cut_the_rest_is_sent_and_the_whole_proven(sshd: Sshd) -> None:
    original, place = large(), FolderPlace(sshd.root)
    with Proxy(sshd.port, after=40 * MIB) as proxy, through(proxy, sshd) as mirror:
        proxy.event = proxy.cut
        with pytest.raises(TargetLost, match=r"mirror far: writing pool--.*image\.xva"):
            mirror.copy(original)
        assert list(mirror.holds()) == []
        there = (sshd.root / original.folder / PARTIAL).stat().st_size
        assert 30 * MIB < there <= LARGE
        proxy.sent = 0
        mirror.copy(original)
        assert proxy.sent < LARGE - there + 18 * MIB
    require_whole(place, original.folder, original.contents)


@pytest.mark.parametrize("size", [20 * MIB, LARGE, LARGE + 5])
def test_a_part_that_is_none_of_the_file_is_replaced(sshd: Sshd, size: int) -> None:
    original, place = large(), FolderPlace(sshd.root)
    place.put(f"{original.folder}/{PARTIAL}", noise(size, "another"))
    with over(sshd) as mirror:
        mirror.copy(original)
    require_whole(place, original.folder, original.contents)


def test_a_server_that_hangs_is_given_up(sshd: Sshd) -> None:
    with Proxy(sshd.port, after=4 * MIB) as proxy, through(proxy, sshd, timeout=3) as mirror:
        proxy.event = proxy.hold
        with pytest.raises(TargetLost):
            mirror.copy(large())
    assert not list(sshd.root.rglob("manifest.json"))


def test_a_changed_or_unknown_host_key_is_refused(sshd: Sshd) -> None:
    key = asyncssh.read_public_key(sshd.folder / "host.pub").get_fingerprint()
    with over(sshd, known_hosts=None, fingerprint=key) as mirror:
        assert list(mirror.holds()) == []
    sshd.kill()
    sshd.make_key("host")
    sshd.start()
    for more in ({}, {"known_hosts": None, "fingerprint": key}):
        with over(sshd, **more) as mirror, pytest.raises(TargetError, match="key is not the known one") as raised:
            mirror.copy(large())
        assert not isinstance(raised.value, TargetLost)
    assert not list(sshd.root.iterdir())


def test_a_key_that_is_not_let_in_or_is_none_is_told(sshd: Sshd) -> None:
    with (
        over(sshd, identity=sshd.folder / "stranger") as mirror,
        pytest.raises(TargetError, match="does not let us in"),
    ):
        list(mirror.holds())
    with over(sshd, identity=sshd.folder / "sshd_config") as mirror, pytest.raises(TargetError, match="cannot be used"):
        list(mirror.holds())
    with over(sshd, identity=sshd.folder / "away") as mirror, pytest.raises(TargetError, match="No such file"):
        list(mirror.holds())


def test_a_password_logs_in_and_is_never_shown(tmp_path: Path) -> None:
    """Debian's sshd knows the passwords of the machine alone, so this one is asyncssh's."""

    class Server(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("backup", "canary-2Ys6")

    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "root").mkdir()
    loop = asyncio.new_event_loop()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=True)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        usual = {
            "host": "127.0.0.1",
            "port": server.get_port(),
            "folder": str(tmp_path / "root"),
            "username": "backup",
            "fingerprint": key.get_fingerprint(),
        }
        with Sftp("far", SftpSettings.model_validate({**usual, "password": "canary-2Ys6"})) as mirror:
            mirror.copy(small())
            assert list(mirror.holds()) == [small().folder]
        wrong = Sftp("far", SftpSettings.model_validate({**usual, "password": "canary-wrong"}))
        with wrong as mirror, pytest.raises(TargetError, match="does not let us in") as raised:
            list(mirror.holds())
        assert "canary" not in str(raised.value)
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        # What it has had open is closed in some more turns of the loop.
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


def test_a_removal_that_was_cut_short_is_finished(sshd: Sshd) -> None:
    original, place = small(), FolderPlace(sshd.root)
    with over(sshd) as mirror:
        mirror.copy(original)
        place.put(f"{original.folder}/trash.json", original.contents["manifest.json"])
        place.put(f"{original.folder}/{PARTIAL}", b"cut")
        place.put(f"{original.folder}/notes.txt", b"of somebody")
        assert list(mirror.holds()) == []
    assert place.arrived("") == {f"{original.folder}/notes.txt": b"of somebody"}


def test_a_full_disk_is_told_and_what_fits_later_is_completed(sshd: Sshd, small: Path) -> None:
    (small / "filler").write_bytes(bytes(3 * MIB))
    original = MadeOriginal(folder(0), {"image.xva": noise(4 * MIB)})
    with over(sshd, folder=str(small)) as mirror:
        with pytest.raises(TargetError, match="the server says") as raised:
            mirror.copy(original)
        assert "Is there room" in raised.value.advice
        (small / "filler").unlink()
        mirror.copy(original)
    require_whole(FolderPlace(small), original.folder, original.contents)


def test_without_the_extra_it_says_how_to_get_it(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    for name in [name for name in sys.modules if name.startswith("vmbackup_mirrors.sftp.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError) as raised, over(sshd):
        pass
    assert raised.value.advice == "pip install 'vmbackup[sftp]'"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"password": "x"}, "give known-hosts or fingerprint"),
        (
            {"known-hosts": "/k", "fingerprint": f"SHA256:{'a' * 43}", "password": "x"},
            "give known-hosts or fingerprint",
        ),
        ({"known-hosts": "/k"}, "give a password or an identity"),
        ({"known-hosts": "/k", "password": "x", "passphrase": "y"}, "a passphrase belongs to an identity"),
        ({"fingerprint": "MD5:00", "password": "x"}, "fingerprint"),
    ],
)
def test_settings_that_cannot_be_meant(section: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SftpSettings.model_validate({"host": "far", "folder": "b", "username": "u", **section})
