"""How an export is mounted, what is proven before anything is written, and what is left of it afterwards."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kernel.inside.server import ADDRESS, Server

from vmbackup import TargetError, TargetNotProven
from vmbackup_targets.mount_table import Mount, mounts
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs

STAYS = "/mnt/stays"
ENTER_AND_WAIT = """
import sys
from pathlib import Path
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs
with Nfs("nas", NfsSettings.model_validate_json(sys.argv[1])):
    print("entered", flush=True)
    sys.stdin.read()
"""


def ours() -> list[Mount]:
    return [mount for mount in mounts() if mount.point.startswith("/run/vmbackup/")]


def at(settings: NfsSettings, path: str = STAYS, **more: object) -> NfsSettings:
    return settings.model_copy(update={"path": Path(path), "options": "", **more})


def refused(settings: NfsSettings, kind: type[TargetError] | type[TargetNotProven] = TargetNotProven) -> str:
    """Fail unless the target is refused when it is entered; return what it says."""
    with pytest.raises(kind) as raised, Nfs("nas", settings):
        pytest.fail("it was entered")
    return str(raised.value)


@pytest.fixture
def administrator(server: Server, version: str) -> Callable[..., None]:
    """What an administrator does: mount something at a folder."""

    def mount(source: str, point: str = STAYS, *options: str) -> None:
        server.shell("mkdir", "-p", point)
        server.shell("mount.nfs", source, point, "-o", ",".join((f"nfsvers={version}", *options)))

    return mount


@pytest.fixture(autouse=True)
def _administrators_mounts_go(server: Server) -> Iterator[None]:
    yield
    for mount in reversed(mounts()):
        if mount.point.startswith("/mnt/") and not mount.point.startswith("/mnt/exports"):
            server.shell("umount", mount.point)


@contextmanager
def another_process(settings: NfsSettings) -> Iterator[subprocess.Popen[str]]:
    """A process that has entered the target, and is killed at the end."""
    command = [sys.executable, "-c", ENTER_AND_WAIT, settings.model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entered\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_private_mount_is_there_while_the_target_is_entered_and_gone_afterwards(
    settings: NfsSettings, export: Path, version: str
) -> None:
    with Nfs("nas", settings) as target:
        (mount,) = ours()
        assert mount.source == f"{ADDRESS}:{export}"
        assert {f"vers={version}", "soft"} <= set(mount.options)
        assert Path(mount.point).parent.stat().st_mode & 0o777 == 0o700
        target.store("pool/key", [b"abc"])
        assert (export / "pool" / "key").read_bytes() == b"abc"
    assert ours() == []


def test_two_targets_of_one_export_do_not_share_a_mount(settings: NfsSettings) -> None:
    with Nfs("one", settings), Nfs("two", settings):
        one, two = ours()
        assert one.device != two.device


def test_what_the_administrator_has_mounted_is_used_and_stays(
    settings: NfsSettings, export: Path, administrator: Callable[..., None]
) -> None:
    administrator(f"{ADDRESS}:{export}")
    with Nfs("nas", at(settings)) as target:
        target.store("key", [b"abc"])
    assert (export / "key").read_bytes() == b"abc"
    assert [mount.source for mount in mounts() if mount.point == STAYS] == [f"{ADDRESS}:{export}"]


def test_a_server_may_be_mounted_by_another_of_its_names(
    settings: NfsSettings, export: Path, administrator: Callable[..., None], server: Server
) -> None:
    Path("/tmp/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} nas\n127.0.0.3 other\n")
    server.shell("mount", "--bind", "/tmp/hosts", "/etc/hosts")
    try:
        administrator(f"nas:{export}")
        with Nfs("nas", at(settings)) as target:
            target.store("key", [b"abc"])
        with Nfs("nas", settings.model_copy(update={"server": "nas"})) as target:
            assert b"".join(target.fetch("key")) == b"abc"
        assert "not of other" in refused(at(settings, server="other"))
    finally:
        server.shell("umount", "/etc/hosts")


def test_a_folder_on_which_nothing_is_mounted_is_refused_and_gets_nothing(settings: NfsSettings) -> None:
    empty = Path("/mnt/nothing")
    empty.mkdir(exist_ok=True)
    said = refused(at(settings, str(empty)))
    assert "no NFS is mounted there" in said
    assert f"Mount the export at {empty}" in said
    assert list(empty.iterdir()) == []
    assert "could not be opened" in refused(at(settings, "/mnt/absent"), TargetError)


def test_only_the_whole_export_at_its_own_place_is_taken(
    settings: NfsSettings, export: Path, administrator: Callable[..., None], server: Server
) -> None:
    (export / "part").mkdir()
    administrator(f"{ADDRESS}:{export}")
    assert f"within the mount at {STAYS}" in refused(at(settings, f"{STAYS}/part"))
    server.shell("mkdir", "-p", "/mnt/bound")
    server.shell("mount", "--bind", f"{STAYS}/part", "/mnt/bound")
    assert f"{export}/part, and not {export}" in refused(at(settings, "/mnt/bound"))
    assert f"{ADDRESS}:{export}" in refused(at(settings, export=f"{export}/part"))


def test_the_folder_below_must_exist_on_that_mount(
    settings: NfsSettings, export: Path, administrator: Callable[..., None], server: Server
) -> None:
    below = settings.model_copy(update={"folder": "deep/er"})
    assert "Is it mounted" in refused(below, TargetError)
    assert list(export.iterdir()) == []
    (export / "deep" / "er").mkdir(parents=True)
    with Nfs("nas", below) as target:
        target.store("key", [b"abc"])
    assert (export / "deep" / "er" / "key").read_bytes() == b"abc"
    administrator(f"{ADDRESS}:{export}")
    server.shell("mount", "-t", "tmpfs", "over", f"{STAYS}/deep/er")
    assert "another mount, over (tmpfs)" in refused(at(settings, folder="deep/er"))
    server.shell("umount", f"{STAYS}/deep/er")
    (export / "link").symlink_to("deep")
    assert "link" in refused(settings.model_copy(update={"folder": "link/er"}), TargetError)


def test_what_a_killed_process_had_mounted_goes_with_the_next_that_enters(settings: NfsSettings) -> None:
    with another_process(settings):
        (left,) = ours()
    assert ours() == [left]
    with Nfs("nas", settings):
        (own,) = ours()
        assert own.point != left.point
        assert len(list(Path("/run/vmbackup").iterdir())) == 1


def test_the_mounts_of_the_living_and_of_strangers_are_left_alone(
    settings: NfsSettings, export: Path, administrator: Callable[..., None], server: Server
) -> None:
    administrator(f"{ADDRESS}:{export}")
    administrator(f"{ADDRESS}:{export}", "/run/vmbackup/of-somebody")
    with another_process(settings) as process:
        before = mounts()
        with Nfs("nas", settings) as target:
            target.store("key", [b"abc"])
        assert mounts() == before
        process.communicate(timeout=60)
    server.shell("umount", "/run/vmbackup/of-somebody")
    Path("/run/vmbackup/of-somebody").rmdir()


def test_what_a_killed_process_had_mounted_goes_even_if_its_server_is_silent(
    settings: NfsSettings, server: Server, version: str
) -> None:
    hard = settings.model_copy(update={"server": "127.0.0.3", "options": f"nfsvers={version},hard", "patience": 2})
    with another_process(hard):
        (left,) = ours()
        server.cut("127.0.0.3")
    try:
        with Nfs("nas", settings.model_copy(update={"patience": 3})) as target:
            assert left.point not in [mount.point for mount in mounts()]
            target.store("key", [b"abc"])
    finally:
        server.mend("127.0.0.3")


def test_an_export_that_there_is_not_is_refused_by_the_server(settings: NfsSettings) -> None:
    said = refused(settings.model_copy(update={"export": "/mnt/exports/none"}), TargetError)
    assert f"{ADDRESS}:/mnt/exports/none could not be mounted" in said
    assert "The server" in said


def test_a_server_that_is_down_or_silent_is_told_in_time(settings: NfsSettings, server: Server) -> None:
    server.stop()
    try:
        assert "Is the server up" in refused(settings, TargetError)
    finally:
        server.start()
    with server.cut_off():
        said = refused(settings.model_copy(update={"patience": 2}), TargetError)
    assert "no answer in time" in said
    assert "Is the server up" in said
    with Nfs("nas", settings) as target:
        assert target.free()
