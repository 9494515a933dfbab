"""What stands in the way of a key: links, devices, strangers who remove folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vmbackup import KeyExists, TargetError
from vmbackup_targets.chain import ATTEMPTS, Chain
from vmbackup_targets.local import Local


@pytest.fixture
def outside(root: Path) -> Path:
    folder = root.parent / "outside"
    folder.mkdir()
    (folder / "key").write_bytes(b"precious")
    return folder


def calls(target: Local, key: str) -> dict[str, Callable[[], object]]:
    return {
        "store": lambda: target.store(key, [b"x"]),
        "stat": lambda: target.stat(key),
        "fetch": lambda: list(target.fetch(key)),
        "delete": lambda: target.delete(key),
        "entries": lambda: list(target.entries(key.rpartition("/")[0])),
    }


@pytest.mark.parametrize("call", ["store", "stat", "fetch", "delete", "entries"])
@pytest.mark.parametrize("link", ["a", "a/b"])
def test_a_link_in_the_way_is_an_error_and_never_followed(
    target: Local, root: Path, outside: Path, call: str, link: str
) -> None:
    (root / link).parent.mkdir(exist_ok=True)
    (outside / "b").mkdir()
    (outside / "b/key").write_bytes(b"precious")
    (root / link).symlink_to(outside if link == "a" else outside / "b")
    with pytest.raises(TargetError, match=r"a/b.*a file or a link stands") as raised:
        calls(target, "a/b/key")[call]()
    assert "never followed" in raised.value.advice
    assert sorted(path.name for path in outside.rglob("*")) == ["b", "key", "key"]
    assert (outside / "b/key").read_bytes() == b"precious"


@pytest.mark.parametrize("call", ["stat", "fetch", "delete"])
def test_a_link_under_the_key_is_an_error_and_never_followed(
    target: Local, root: Path, outside: Path, call: str
) -> None:
    (root / "key").symlink_to(outside / "key")
    with pytest.raises(TargetError, match="it is a link or a device"):
        calls(target, "key")[call]()
    assert (root / "key").is_symlink()
    assert (outside / "key").read_bytes() == b"precious"


@pytest.mark.parametrize("aim", ["key", "dangling"])
def test_nothing_is_stored_through_a_link(target: Local, root: Path, outside: Path, aim: str) -> None:
    (root / "key").symlink_to(outside / aim)
    with pytest.raises(KeyExists):
        target.store("key", [b"x"])
    assert [path.name for path in root.iterdir()] == ["key"]
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"key": b"precious"}


@pytest.mark.parametrize("call", ["stat", "fetch", "delete"])
def test_a_pipe_under_the_key_blocks_nobody(target: Local, root: Path, call: str) -> None:
    os.mkfifo(root / "key")
    with pytest.raises(TargetError, match="it is a link or a device"):
        calls(target, "key")[call]()
    assert (root / "key").is_fifo()


def test_a_file_in_the_place_of_a_folder_is_an_error_for_those_who_store(target: Local, root: Path) -> None:
    (root / "a").write_bytes(b"x")
    with pytest.raises(TargetError, match="in the place of a folder"):
        target.store("a/b/key", [b"x"])
    assert (root / "a").read_bytes() == b"x"


def test_folders_that_vanish_are_made_again(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        with Chain(descriptor, ("a", "b")) as chain:
            (root / "a/b").mkdir(parents=True)
            assert chain.descend()
            (root / "a/b").rmdir()
            (root / "a").rmdir()
            os.close(chain.create("file"))
        assert (root / "a/b/file").exists()
    finally:
        os.close(descriptor)


def test_one_who_removes_folders_without_end_is_given_up_on(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    root.rmdir()
    try:
        with Chain(descriptor, ("a",)) as chain, pytest.raises(OSError, match="removed as often as it is made"):
            chain.create("file")
    finally:
        os.close(descriptor)
    assert ATTEMPTS > 1
