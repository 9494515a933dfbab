"""rsync against a real daemon and a real sshd."""

import contextlib
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.mirrors.servers import PASSWORD, Daemon, Sshd

from vmbackup import ConfigError, TargetError, TargetLost
from vmbackup.conformance import FolderPlace
from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.originals import MadeOriginal, folder
from vmbackup.conformance.originals import original as small
from vmbackup.conformance.places import require_whole
from vmbackup.testing import MirrorContract
from vmbackup_mirrors.rsync import Rsync
from vmbackup_mirrors.rsync.settings import RsyncSettings

LARGE = 32 * MIB


def by_ssh(sshd: Sshd, **more: object) -> Rsync:
    usual = {
        "to": f"root@127.0.0.1:{sshd.root}",
        "port": sshd.port,
        "identity": sshd.identity,
        "known_hosts": sshd.known_hosts,
    }
    return Rsync("far", RsyncSettings.model_validate({**usual, **more}))


def to_daemon(daemon: Daemon, **more: object) -> Rsync:
    usual = {"to": f"rsync://vmbackup@127.0.0.1:{daemon.port}/backups", "password": PASSWORD}
    return Rsync("far", RsyncSettings.model_validate({**usual, **more}))


def through(proxy: Proxy, daemon: Daemon, **more: object) -> Rsync:
    return to_daemon(daemon, to=f"rsync://vmbackup@127.0.0.1:{proxy.port}/backups", **more)


class TestOverSsh(MirrorContract):
    @pytest.fixture
    def mirror(self, sshd: Sshd) -> Iterator[Rsync]:
        with by_ssh(sshd) as entered:
            yield entered

    @pytest.fixture
    def place(self, sshd: Sshd) -> FolderPlace:
        return FolderPlace(sshd.root)

    @pytest.fixture
    def slow_mirror(self, sshd: Sshd) -> Iterator[Rsync]:
        with Proxy(sshd.port, rate=2600 << 10) as proxy:
            sshd.know(proxy.port)
            with by_ssh(sshd, port=proxy.port) as entered:
                yield entered

    @pytest.fixture
    def broken_mirror(self, sshd: Sshd) -> Rsync:
        return by_ssh(sshd, to=f"root@127.0.0.1:{sshd.root}/away")


class TestToADaemon(MirrorContract):
    @pytest.fixture
    def mirror(self, daemon: Daemon) -> Iterator[Rsync]:
        with to_daemon(daemon) as entered:
            yield entered

    @pytest.fixture
    def place(self, daemon: Daemon) -> FolderPlace:
        return FolderPlace(daemon.root)

    @pytest.fixture
    def slow_mirror(self, daemon: Daemon) -> Iterator[Rsync]:
        with (
            Proxy(daemon.port, rate=2600 << 10) as proxy,
            through(proxy, daemon) as entered,
        ):
            yield entered

    @pytest.fixture
    def broken_mirror(self, daemon: Daemon) -> Rsync:
        daemon.kill()
        return to_daemon(daemon)


def large(paths: Path | None = None) -> MadeOriginal:
    return MadeOriginal(folder(0), {"image.xva": noise(LARGE), "ova.xml": noise(1000)}, paths=paths)


@pytest.mark.parametrize("by_path", [False, True])
def test_of_a_file_that_was_cut_only_the_rest_is_sent(daemon: Daemon, tmp_path: Path, *, by_path: bool) -> None:
    with Proxy(daemon.port, after=20 * MIB) as proxy, through(proxy, daemon) as mirror:
        original = large(tmp_path if by_path else None)
        image = daemon.root / original.folder / "image.xva"

        def cut() -> None:
            # What the daemon has not read when the line is cut is lost.
            until = time.monotonic() + 60
            while not (image.exists() and image.stat().st_size > 16 * MIB) and time.monotonic() < until:
                time.sleep(0.01)
            proxy.cut()

        proxy.event = cut
        with pytest.raises(TargetLost, match=r"mirror far: sending pool--.*: rsync ended with 1[02]"):
            mirror.copy(original)
        there = image.stat().st_size
        assert 16 * MIB < there < LARGE
        proxy.sent = 0
        mirror.copy(original)
        assert proxy.sent < LARGE - there + MIB
        assert list(mirror.holds()) == [original.folder]
    require_whole(FolderPlace(daemon.root), original.folder, original.contents)


def test_a_server_that_hangs_is_given_up(daemon: Daemon) -> None:
    with Proxy(daemon.port, after=4 * MIB) as proxy, through(proxy, daemon, timeout=5) as mirror:
        proxy.event = proxy.hold
        with pytest.raises(TargetLost, match="rsync ended with 30, for too long nothing came from the other side"):
            mirror.copy(large())
    assert not list(daemon.root.rglob("manifest.json"))


def test_a_password_is_never_seen(daemon: Daemon) -> None:
    seen: list[str] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.append(path.read_text())

    with Proxy(daemon.port, after=MIB, event=look) as proxy, through(proxy, daemon) as mirror:
        mirror.copy(large())
        assert any(f"rsync://vmbackup@127.0.0.1:{proxy.port}/" in words for words in seen)
    assert not any(PASSWORD in words for words in seen)
    with to_daemon(daemon, password="canary-wrong") as mirror, pytest.raises(TargetError) as raised:
        list(mirror.holds())
    assert "rsync ended with 5, the daemon did not let us in" in raised.value.message
    assert "canary" not in str(raised.value)
    with to_daemon(daemon, password=None) as mirror, pytest.raises(TargetError, match="rsync ended with 5"):
        list(mirror.holds())


def test_a_changed_or_unknown_host_key_is_refused(sshd: Sshd) -> None:
    sshd.kill()
    sshd.make_key("host")
    sshd.start()
    with by_ssh(sshd) as mirror, pytest.raises(TargetError) as raised:
        mirror.copy(large())
    assert not isinstance(raised.value, TargetLost)
    assert "Host key verification failed" in raised.value.message
    assert "only then put the new one into known_hosts" in raised.value.advice
    sshd.known_hosts.write_text("")
    with by_ssh(sshd) as mirror, pytest.raises(TargetError, match="Host key verification failed"):
        list(mirror.holds())
    assert not list(sshd.root.iterdir())
    assert sshd.known_hosts.read_text() == ""


def test_a_key_that_is_not_let_in_is_told_and_nobody_is_asked(sshd: Sshd) -> None:
    with by_ssh(sshd, identity=sshd.folder / "stranger") as mirror, pytest.raises(TargetLost) as raised:
        list(mirror.holds())
    assert re.search("rsync ended with (12|255), ssh did not get there, or was not let in", raised.value.message)
    assert "Permission denied" in raised.value.message


def test_a_folder_that_is_not_there_is_never_made(daemon: Daemon) -> None:
    with (
        to_daemon(daemon, to=f"rsync://vmbackup@127.0.0.1:{daemon.port}/backups/away") as mirror,
        pytest.raises(TargetError, match="rsync ended with 23") as raised,
    ):
        list(mirror.holds())
    assert "Is the mirror's folder there" in raised.value.advice


def test_a_program_that_is_missing_is_named_with_its_package(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="rsync is not installed") as raised, to_daemon(daemon):
        pass
    assert raised.value.advice == "apt-get install rsync"


def test_a_removal_that_was_cut_short_is_finished(daemon: Daemon) -> None:
    original, place = small(), FolderPlace(daemon.root)
    with to_daemon(daemon) as mirror:
        mirror.copy(original)
        place.put(f"{original.folder}/trash.json", original.contents["manifest.json"])
        place.put(f"{original.folder}/notes.txt", b"of somebody")
        assert list(mirror.holds()) == []
    assert place.arrived("") == {f"{original.folder}/notes.txt": b"of somebody"}


def test_what_a_killed_server_left_of_a_manifest_goes(daemon: Daemon) -> None:
    original, place = small(), FolderPlace(daemon.root)
    place.put(f"{original.folder}/.manifest.json.Ab3xYz", b'{"vmb')
    with to_daemon(daemon) as mirror:
        assert list(mirror.holds()) == []
        mirror.copy(original)
    require_whole(place, original.folder, original.contents)


def test_nobody_but_the_owner_reads_what_is_there_and_the_root_is_left_as_it_is(daemon: Daemon) -> None:
    daemon.root.chmod(0o751)
    with to_daemon(daemon) as mirror:
        mirror.copy(small())
    for path in daemon.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert stat.S_IMODE(daemon.root.stat().st_mode) == 0o751


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"to": "nas:backups"}, "give user@host:/folder or rsync://"),
        ({"to": "-oProxyCommand=x@nas:/backups"}, "give user@host:/folder or rsync://"),
        ({"to": "nas:/back ups"}, "give user@host:/folder or rsync://"),
        ({"to": "/backups"}, "give user@host:/folder or rsync://"),
        ({"to": "rsync://nas/backups", "port": 873}, "are for ssh"),
        ({"to": "nas:/backups", "password": "x"}, "a password is for a daemon"),
        ({"to": "nas:/backups", "identity": "id_ed25519"}, "give an absolute path"),
    ],
)
def test_settings_that_cannot_be_meant(section: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RsyncSettings.model_validate(section)


@pytest.mark.parametrize(
    "to", ["backup@nas.example.edu:/srv/b", "nas:/b/", "[fe80::1]:/srv/b", "rsync://u@nas:8730/m/b"]
)
def test_settings_that_are_right(to: str) -> None:
    assert RsyncSettings(to=to).address.below("a/b") == f"{to.rstrip('/')}/a/b/"
