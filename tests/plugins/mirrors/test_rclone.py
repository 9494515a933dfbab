"""rclone with the real program: to a folder, to rclone's own S3 and WebDAV servers, and to a real sshd."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.mirrors.servers import Server, Sshd

from vmbackup import ConfigError, TargetError, TargetLost
from vmbackup.conformance import FolderPlace, MirrorPromise
from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.copying import copies_twice
from vmbackup.conformance.cutting import mends_what_is_wrong
from vmbackup.conformance.originals import MadeOriginal, folder
from vmbackup.conformance.originals import original as small
from vmbackup.conformance.places import require_whole
from vmbackup.conformance.withdrawing import leaves_what_is_not_its_own, removes_twice
from vmbackup.testing import MirrorContract
from vmbackup_mirrors.rclone import Rclone
from vmbackup_mirrors.rclone.settings import RcloneSettings

PROGRAM = Path(sys.executable).with_name("rclone")
KEY, SECRET = "canary-6Pw3-access", "canary-8Lc1-secret"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is found as one that is installed."""
    monkeypatch.setenv("PATH", str(PROGRAM.parent), prepend=":")


@dataclass
class Serving(Server):
    """rclone's own server of a protocol, for the folder `root`."""

    protocol: str = "s3"
    options: Sequence[str] = ()

    def command(self) -> Sequence[str]:
        usual = [f"--addr=127.0.0.1:{self.port}", "--config=/dev/null", *self.options]
        return [str(PROGRAM), "serve", self.protocol, *usual, str(self.root)]


def by(folder: Path, path: str, section: str, **more: object) -> Rclone:
    config = folder / "rclone.conf"
    config.write_text(f"[far]\n{section}\n")
    config.chmod(0o600)
    return Rclone("cloud", RcloneSettings.model_validate({"remote": f"far:{path}", "config": config, **more}))


def to_s3(folder: Path, port: int) -> Rclone:
    section = f"type = s3\nprovider = Rclone\nendpoint = http://127.0.0.1:{port}"
    return by(folder, "bucket/xen", f"{section}\naccess_key_id = {KEY}\nsecret_access_key = {SECRET}")


def to_sshd(folder: Path, sshd: Sshd, port: int, **more: object) -> Rclone:
    section = f"type = sftp\nhost = 127.0.0.1\nport = {port}\nuser = root\nkey_file = {sshd.identity}"
    return by(folder, str(sshd.root), f"{section}\nknown_hosts_file = {sshd.known_hosts}\nshell_type = none", **more)


class TestToAFolder(MirrorContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        return root

    @pytest.fixture
    def mirror(self, tmp_path: Path, root: Path) -> Iterator[Rclone]:
        with by(tmp_path, str(root), "type = local") as entered:
            yield entered

    @pytest.fixture
    def place(self, root: Path) -> FolderPlace:
        return FolderPlace(root)

    @pytest.fixture
    def slow_mirror(self, tmp_path: Path, root: Path, sshd: Sshd) -> Iterator[Rclone]:
        sshd.root.rmdir()
        sshd.root.symlink_to(root)
        with Proxy(sshd.port, rate=2600 << 10) as proxy:
            sshd.know(proxy.port)
            with to_sshd(tmp_path, sshd, proxy.port) as entered:
                yield entered

    @pytest.fixture
    def broken_mirror(self, tmp_path: Path) -> Rclone:
        return by(tmp_path, f"{tmp_path}/away", "type = local")


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Serving]:
    server = Serving(tmp_path / "s3", protocol="s3", options=[f"--auth-key={KEY},{SECRET}"])
    (server.root / "bucket" / "xen").mkdir(parents=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def dav(tmp_path: Path) -> Iterator[Serving]:
    server = Serving(tmp_path / "dav", protocol="webdav")
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("promise", [copies_twice, removes_twice])
def test_to_object_storage(s3: Serving, promise: MirrorPromise) -> None:
    with to_s3(s3.folder, s3.port) as mirror:
        promise(mirror, FolderPlace(s3.root / "bucket" / "xen"))


@pytest.mark.parametrize("promise", [copies_twice, removes_twice])
def test_to_webdav(dav: Serving, promise: MirrorPromise) -> None:
    with by(dav.folder, "", f"type = webdav\nurl = http://127.0.0.1:{dav.port}\nvendor = rclone") as mirror:
        promise(mirror, FolderPlace(dav.root))


@pytest.mark.parametrize("promise", [mends_what_is_wrong, leaves_what_is_not_its_own])
def test_to_a_host_with_ssh(tmp_path: Path, sshd: Sshd, promise: MirrorPromise) -> None:
    with to_sshd(tmp_path, sshd, sshd.port) as mirror:
        promise(mirror, FolderPlace(sshd.root))


def test_what_dies_in_the_middle_of_a_manifest_is_no_backup(tmp_path: Path, sshd: Sshd) -> None:
    original = MadeOriginal(folder(0), {"image.xva": noise(MIB)})
    place = FolderPlace(sshd.root)
    place.put(f"{original.folder}/manifest.json.vmbackup-unfinished", b'{"vmb')
    with to_sshd(tmp_path, sshd, sshd.port) as mirror:
        assert list(mirror.holds()) == []
        mirror.copy(original)
    require_whole(place, original.folder, original.contents)


def test_a_removal_that_was_cut_short_is_finished(tmp_path: Path, sshd: Sshd) -> None:
    original, place = small(), FolderPlace(sshd.root)
    with to_sshd(tmp_path, sshd, sshd.port) as mirror:
        mirror.copy(original)
        place.put(f"{original.folder}/trash.json", original.contents["manifest.json"])
        place.put(f"{original.folder}/notes.txt", b"of somebody")
        assert list(mirror.holds()) == []
    assert place.arrived("") == {f"{original.folder}/notes.txt": b"of somebody"}


def test_a_server_that_is_cut_off_or_hangs_is_told_apart_from_one_that_refuses(tmp_path: Path, sshd: Sshd) -> None:
    original = MadeOriginal(folder(0), {"image.xva": noise(16 * MIB)})
    for what in ("cut", "hold"):
        with Proxy(sshd.port, after=4 * MIB) as proxy:
            sshd.know(proxy.port)
            proxy.event = getattr(proxy, what)
            with to_sshd(tmp_path, sshd, proxy.port, timeout=5) as mirror, pytest.raises(TargetLost):
                mirror.copy(original)
    assert not list(sshd.root.rglob("manifest.json*"))
    sshd.know()
    with to_sshd(tmp_path, sshd, sshd.port) as mirror, pytest.raises(TargetError, match="knownhosts: key is unknown"):
        list(mirror.holds())


def test_a_program_that_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="rclone is not installed") as raised, by(tmp_path, "", "type = local"):
        pass
    assert raised.value.advice.startswith("apt-get install rclone")


def test_a_remote_that_is_not_set_up_is_told(tmp_path: Path) -> None:
    mirror = by(tmp_path, "", "type = local", remote="other:x")
    with mirror, pytest.raises(TargetError, match="didn't find section in config file"):
        list(mirror.holds())


@pytest.mark.parametrize("remote", ["/backups", ":sftp:x", "--config=x:y", "far,pass=secret:x", "far"])
def test_remotes_that_are_none(remote: str) -> None:
    with pytest.raises(ValidationError, match="remote"):
        RcloneSettings(remote=remote)


@pytest.mark.parametrize(
    ("remote", "key"),
    [("far:", "far:a/b"), ("far:x/y", "far:x/y/a/b"), ("far:/srv/", "far:/srv/a/b"), ("far:/", "far:a/b")],
)
def test_where_a_file_is(remote: str, key: str) -> None:
    assert RcloneSettings(remote=remote).below("a/b") == key
