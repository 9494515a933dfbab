"""What the server refuses, loses or leaves unanswered, and what the target makes of it."""

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.kernel.inside.server import ADDRESS, Server
from tests.kernel.inside.stopping import join, settle, stores_at_every_place

from vmbackup import Leftover, TargetError
from vmbackup_targets.mount_table import mounts
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs

MIB = 1 << 20


def cause(error: BaseException) -> int | None:
    """The number of the operating system's own error."""
    assert isinstance(error.__cause__, OSError)
    return error.__cause__.errno


def stored(target: Nfs, key: str, pieces: int) -> TargetError:
    """Store a key that cannot be stored; return the error."""
    with pytest.raises(TargetError, match=key) as raised:
        target.store(key, [bytes(range(256)) * (MIB // 256)] * pieces)
    return raised.value


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if not path.is_dir()}


def test_a_full_server_tells_at_the_flush_and_the_target_tells_that(server: Server, settings: NfsSettings) -> None:
    with server.exported("size=4m") as export:
        with Nfs("nas", settings.model_copy(update={"export": str(export)})) as target:
            error = stored(target, "image", 8)
            assert cause(error) == errno.ENOSPC
            assert "full" in error.advice
            assert target.stat("image") is None
            assert list(target.leftovers()) == []
        assert names(export) == set()


def test_a_quota_that_is_used_up_is_told_as_that(server: Server, settings: NfsSettings) -> None:
    with server.exported("size=64m") as outer:
        server.shell("truncate", "-s", "48M", outer / "disk")
        server.shell("mke2fs", "-q", "-t", "ext4", "-O", "quota", "-E", "root_owner=65534:65534", outer / "disk")
        folder = outer / "quota"
        folder.mkdir()
        server.shell("mount", "-o", "loop,usrquota", outer / "disk", folder)
        server.shell("setquota", "-u", "nobody", "2048", "4096", "0", "0", folder)
        # The server's own root may exceed a quota, and so may who is root there.
        server.grant(folder, "rw,sync,no_subtree_check,all_squash,anonuid=65534,anongid=65534", number=999)
        with Nfs("nas", settings.model_copy(update={"export": str(folder)})) as target:
            error = stored(target, "image", 8)
            assert cause(error) == errno.EDQUOT
            assert "quota" in error.advice
            assert target.stat("image") is None
            assert list(target.leftovers()) == []
        server.revoke(folder)
        server.shell("umount", "-l", folder)


@pytest.mark.parametrize(("export_options", "mount_options"), [("ro", "rw"), ("rw", "ro")])
def test_read_only_at_either_end_is_told(
    server: Server, settings: NfsSettings, export: Path, export_options: str, mount_options: str
) -> None:
    (export / "there").write_bytes(b"abc")
    server.grant(export, f"{export_options},sync,no_root_squash,no_subtree_check")
    options = f"{settings.options},{mount_options}"
    with Nfs("nas", settings.model_copy(update={"options": options})) as target:
        assert b"".join(target.fetch("there")) == b"abc"
        error = stored(target, "image", 1)
        assert cause(error) == errno.EROFS
        assert "rw" in error.advice
    assert names(export) == {"there"}


def test_a_root_that_is_nobody_there_is_told_why(server: Server, settings: NfsSettings, export: Path) -> None:
    export.chmod(0o755)
    server.grant(export, "rw,sync,root_squash,no_subtree_check")
    with Nfs("nas", settings) as target:
        error = stored(target, "image", 1)
    assert cause(error) == errno.EACCES
    assert "no_root_squash" in error.advice


def test_an_export_that_is_withdrawn_in_mid_write_fails_the_store_and_no_later_one(
    server: Server, settings: NfsSettings, export: Path
) -> None:
    def source() -> Iterator[bytes]:
        yield bytes(MIB)
        server.revoke(export)
        yield bytes(MIB)

    with Nfs("nas", settings) as target:
        with pytest.raises(TargetError) as raised:
            target.store("pool/image", source())
        assert cause(raised.value) in {errno.ESTALE, errno.EACCES, errno.EIO, errno.EPERM}
        assert raised.value.advice
    server.grant(export)
    with Nfs("nas", settings) as target:
        assert target.stat("pool/image") is None
        for leftover in list(target.leftovers()):
            target.discard(leftover)
        assert list(target.entries()) == []
        target.store("pool/image", [b"abc"])


def test_another_file_system_in_the_place_of_the_export_is_told(
    server: Server, settings: NfsSettings, export: Path
) -> None:
    with Nfs("nas", settings) as target:
        target.store("pool/image", [b"abc"])
        server.revoke(export)
        server.shell("mount", "-t", "tmpfs", "another", export)
        server.grant(export, number=998)
        error = stored(target, "pool/other", 1)
        assert cause(error) == errno.ESTALE
        assert "exportfs" in error.advice
    assert list(export.iterdir()) == []
    server.shell("umount", "-l", export)


WHENEVER = Leftover("image", ".image.0123456789abcdef.partial", 1, datetime.min.replace(tzinfo=UTC))
QUESTIONS: list[Callable[[Nfs], object]] = [
    lambda target: target.stat("image"),
    lambda target: list(target.fetch("image")),
    lambda target: list(target.entries()),
    lambda target: target.delete("image"),
    lambda target: target.free(),
    lambda target: list(target.leftovers()),
    lambda target: target.discard(WHENEVER),
]


def unanswered(target: Nfs, question: Callable[[Nfs], object]) -> str:
    """Ask what cannot be answered, and return what the target says."""
    with pytest.raises(TargetError) as raised:
        question(target)
    return str(raised.value)


@pytest.mark.timeout(300)
def test_a_silent_server_on_a_hard_mount_holds_nobody_longer_than_the_patience(
    server: Server, settings: NfsSettings, version: str, export: Path
) -> None:
    hard = settings.model_copy(update={"options": f"nfsvers={version},hard", "patience": 2})
    target = Nfs("nas", hard)
    with target:
        target.store("image", [bytes(3 * MIB)])
        stores = stores_at_every_place(target, server.cut)
        for question in QUESTIONS:
            said = unanswered(target, question)
            assert f"{ADDRESS} has not answered for 2 s" in said
            assert "patience" in said
        assert any(store.is_alive() for store in stores), "the writes hang"
    assert all(mount.source != f"{ADDRESS}:{export}" for mount in mounts())
    join(stores)
    good = [store.place for store in stores if store.error is None]
    assert set(good) <= {"os.remove"}, "leaving the target ended what hung in it; the last place may need no answer"
    server.mend()
    settle()
    with Nfs("nas", settings) as again:
        for leftover in list(again.leftovers()):
            again.discard(leftover)
        for store in stores:
            again.delete(store.key)
        assert [entry.key for entry in again.entries()] == ["image"]
