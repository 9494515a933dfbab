import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup import KeyExists, KeyMissing, Named, Names, OtherNames, TargetError
from vmbackup_targets.local import Local, LocalSettings

ODD = ("Büro (alt) #1", "backup-2016-04-01-(02:00:00)", "a b.xva")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Local]:
    (tmp_path / "target").mkdir()
    with Local("nas", LocalSettings(path=tmp_path / "target")) as entered:
        yield entered


@pytest.fixture
def names(target: Local) -> OtherNames:
    assert Local.any_name
    return target.other_names()


def at(target: Local, path: Names) -> Path:
    return target.settings.path.joinpath(*path)


def lay(target: Local, path: Names, data: bytes = b"old") -> Path:
    file = at(target, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def test_a_file_of_any_name_gets_a_key_and_is_one_file(target: Local, names: OtherNames) -> None:
    file = lay(target, ODD)
    assert names.give_key(ODD, "a/b/image.xva").size == 3
    assert b"".join(target.fetch("a/b/image.xva")) == b"old"
    assert file.samefile(at(target, ("a", "b", "image.xva")))
    assert names.is_same(ODD, "a/b/image.xva") is True
    names.give_key(ODD, "a/b/image.xva")
    target.delete("a/b/image.xva")
    assert (file.read_bytes(), names.is_same(ODD, "a/b/image.xva")) == (b"old", False)


def test_what_has_a_key_gets_other_names(target: Local, names: OtherNames) -> None:
    target.store("image.xva", [b"new"])
    names.give_names("image.xva", ODD)
    names.give_names("image.xva", ODD)
    assert at(target, ODD).samefile(at(target, ("image.xva",)))
    names.remove(ODD)
    assert (names.is_same(ODD, "image.xva"), names.entries(())) == (None, [Named("image.xva", 3)])


def test_what_is_there_stays(target: Local, names: OtherNames) -> None:
    lay(target, ODD)
    target.store("image.xva", [b"new"])
    with pytest.raises(KeyExists):
        names.give_key(ODD, "image.xva")
    with pytest.raises(KeyExists):
        names.give_names("image.xva", ODD)
    names.mark(ODD)
    assert (at(target, ODD).read_bytes(), b"".join(target.fetch("image.xva"))) == (b"old", b"new")


def test_what_is_missing_is_said_and_leaves_no_folders(target: Local, names: OtherNames) -> None:
    with pytest.raises(KeyMissing):
        names.give_key(ODD, "a/image.xva")
    with pytest.raises(KeyMissing):
        names.give_names("image.xva", ODD)
    with pytest.raises(KeyMissing):
        names.read(ODD, 10)
    names.remove(ODD)
    assert names.entries(ODD[:1]) == names.entries(()) == []


def test_folders_are_listed_without_links_and_devices(target: Local, names: OtherNames) -> None:
    lay(target, ODD)
    folder = at(target, ODD[:2])
    (folder / "link").symlink_to("a b.xva")
    os.mkfifo(folder / "pipe")
    (folder / "VIFs").mkdir()
    assert sorted(names.entries(ODD[:2]), key=lambda one: one.name) == [Named("VIFs", None), Named("a b.xva", 3)]
    (target.settings.path / "lost+found").mkdir()
    assert names.entries(()) == [Named(ODD[0], None)]


def test_reading_ends_at_the_limit(target: Local, names: OtherNames) -> None:
    lay(target, ODD, b"0123456789")
    assert (names.read(ODD, 4), names.read(ODD, 100)) == (b"0123", b"0123456789")


def test_links_are_neither_followed_nor_removed(target: Local, names: OtherNames, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"theirs")
    at(target, ("link",)).symlink_to(outside)
    at(target, ("file",)).symlink_to(outside / "file")
    for path in (("link", "file"), ("file",)):
        for call in (
            lambda path=path: names.read(path, 10),
            lambda path=path: names.give_key(path, "key"),
            lambda path=path: names.remove(path),
            lambda path=path: names.is_same(path, "key"),
        ):
            with pytest.raises(TargetError):
                call()
    target.store("image.xva", [b"new"])
    with pytest.raises(TargetError):
        names.give_names("image.xva", ("link", "x"))
    assert [path.name for path in outside.iterdir()] == ["file"]


@pytest.mark.parametrize("path", [("..", "x"), ("a", "..", "x"), ("a/b",), ("",), (".",), ("nul\0",)])
def test_names_that_are_none_are_refused(target: Local, names: OtherNames, path: Names) -> None:
    target.store("image.xva", [b"new"])
    with pytest.raises(TargetError, match="not a name"):
        names.give_names("image.xva", path)
    with pytest.raises(TargetError, match="not a name"):
        names.remove(path)


def test_a_removal_takes_empty_folders_and_nothing_else(target: Local, names: OtherNames) -> None:
    lay(target, ODD)
    lay(target, (ODD[0], "notes.txt"))
    names.remove(ODD)
    assert names.entries(ODD[:1]) == [Named("notes.txt", 3)]
