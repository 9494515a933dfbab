import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmbackup import KeyExists, Leftover, TargetError
from vmbackup_targets.local import Local

KEY = "pool/vm/image.xva"
WHENEVER = datetime(2026, 1, 1, tzinfo=UTC)


def writer(root: Path, instant: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(root), KEY, instant]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def killed(root: Path, instant: str) -> None:
    with writer(root, instant) as process:
        assert process.wait(30) == -signal.SIGKILL


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("instant", "written"), [("chunk 0", 0), ("chunk 3", 300_000), ("end", 500_000), ("os.link", 500_000)]
)
def test_a_writer_that_is_killed_leaves_a_leftover_and_no_key(
    target: Local, root: Path, instant: str, written: int
) -> None:
    killed(root, instant)
    assert target.stat(KEY) is None
    assert list(target.entries("pool/vm")) == []
    (leftover,) = target.leftovers()
    assert (leftover.key, leftover.size) == (KEY, written)
    target.discard(leftover)
    assert list(root.iterdir()) == []
    assert target.store(KEY, [b"again"]).size == 5


def test_a_writer_that_is_killed_before_its_folders_are_made_leaves_nothing(target: Local, root: Path) -> None:
    killed(root, "os.mkdir")
    assert list(root.iterdir()) == []
    assert list(target.leftovers()) == []


def test_a_writer_that_is_killed_after_publishing_leaves_the_whole_file(target: Local, root: Path) -> None:
    killed(root, "os.remove")
    (leftover,) = target.leftovers()
    target.discard(leftover)
    assert files(root) == [root / KEY]
    assert b"".join(target.fetch(KEY)) == b"x" * 500_000


def test_the_unfinished_file_of_a_living_process_is_no_leftover(target: Local, root: Path) -> None:
    with writer(root, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        (unfinished,) = files(root)
        assert unfinished.stat().st_size == 500_000
        assert list(target.leftovers()) == []
        token = str(unfinished.relative_to(root))
        listed_before_its_lock = Leftover(KEY, token, 0, modified=WHENEVER)
        with pytest.raises(TargetError, match="being written"):
            target.discard(listed_before_its_lock)
        process.kill()
        process.wait(30)
    assert [leftover.token for leftover in target.leftovers()] == [token]
    target.discard(listed_before_its_lock)
    assert list(root.iterdir()) == []


Calls = list[tuple[str, str]]


@pytest.fixture
def seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The calls that make a file durable and visible, in their order; they are made all the same."""
    calls: Calls = []
    fsync, link = os.fsync, os.link

    def seen_fsync(descriptor: int) -> None:
        calls.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(root))))
        fsync(descriptor)

    def seen_link(source: str, to: str, **options: object) -> None:
        calls.append(("link", to))
        link(source, to, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "link", seen_link)
    return calls


def test_all_is_flushed_before_the_file_has_its_name_and_the_name_after(target: Local, seen: Calls) -> None:
    target.store("a/b/key", [b"x"])
    *folders, (flush, partial), link, last = seen
    assert sorted(folders) == [("fsync", "."), ("fsync", "a")]
    assert flush == "fsync"
    assert partial.startswith("a/b/.key.")
    assert link == ("link", "key")
    assert last == ("fsync", "a/b")


def test_a_deletion_is_flushed(target: Local, seen: Calls) -> None:
    target.store("a/key", [b"x"])
    target.store("a/other", [b"x"])
    seen.clear()
    target.delete("a/key")
    assert seen == [("fsync", "a")]


def refusing(call: Callable[..., object], number: int, when: Callable[[str], bool]) -> Callable[..., object]:
    """As `call`, but refused with `number` where its first argument, by name, is one that `when` picks."""

    def refused(first: int | str, *arguments: object, **options: object) -> object:
        name = Path(f"/proc/self/fd/{first}").readlink().name if isinstance(first, int) else first
        if when(name):
            raise OSError(number, os.strerror(number))
        return call(first, *arguments, **options)

    return refused


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("flushed", ["the file", "its folder"])
def test_what_cannot_be_flushed_is_not_stored(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, flushed: str
) -> None:
    (root / "folder").mkdir()
    monkeypatch.setattr(os, "fsync", refusing(os.fsync, number, lambda name: (name == "folder") != (flushed[0] == "t")))
    with pytest.raises(TargetError) as raised:
        target.store("folder/key", [b"x"])
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == number
    assert files(root) == []


def test_a_file_system_that_cannot_flush_folders_is_good_enough(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refusing(os.fsync, errno.EINVAL, lambda name: "partial" not in name))
    target.store("folder/key", [b"x"])
    assert files(root) == [root / "folder/key"]


NO_LINKS = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK]


@pytest.mark.parametrize("number", NO_LINKS)
def test_a_file_system_without_links_is_good_enough(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", refusing(os.link, number, lambda _: True))
    for key in ("folder/key", "key"):
        target.store(key, [b"x"])
        with pytest.raises(KeyExists):
            target.store(key, [b"y"])
        with pytest.raises(KeyExists):
            target.store(f"{key}2", appearing(root / f"{key}2"))
        assert (root / f"{key}2").read_bytes() == b"first"
    assert sorted(files(root)) == [root / name for name in ("folder/key", "folder/key2", "key", "key2")]


def appearing(path: Path) -> Iterator[bytes]:
    yield b"second"
    path.write_bytes(b"first")


def test_a_link_that_is_refused_for_another_reason_is_an_error(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(os.link, errno.EROFS, lambda _: True))
    with pytest.raises(TargetError, match="Read-only"):
        target.store("folder/key", [b"x"])
    assert list(root.iterdir()) == []


def test_a_link_whose_answer_was_lost_counts_as_made(target: Local, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        (unfinished,) = files(root)
        (root / "folder/key").hardlink_to(unfinished)

    assert target.store("folder/key", chunks()).size == 3
    assert files(root) == [root / "folder/key"]


def test_a_file_that_did_not_keep_what_was_written_is_not_stored(target: Local, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        os.truncate(files(root)[0], 1)

    with pytest.raises(TargetError, match="3 bytes were written, but the file has 1"):
        target.store("folder/key", chunks())
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_every_unfinished_file_may_be_a_leftover(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        assert [(leftover.key, leftover.size) for leftover in target.leftovers()] == [("folder/key", 3)]

    assert target.store("folder/key", chunks()).size == 3
    assert list(target.leftovers()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_modes_is_good_enough(
    target: Local, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fchmod", refusing(os.fchmod, number, lambda _: True))
    assert target.store("folder/key", [b"x"]).size == 1
    monkeypatch.setattr(os, "fchmod", refusing(os.fchmod, errno.EIO, lambda _: True))
    with pytest.raises(TargetError):
        target.store("other/key", [b"x"])
    assert files(root) == [root / "folder/key"]
    assert not (root / "other").exists()
