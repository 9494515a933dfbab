import fcntl
import json
import os
from pathlib import Path

import pytest

from vmbackup.errors import ConfigError, LockHeld
from vmbackup.website import publish
from vmbackup.website.folder import LIST

FILES = {"style.css": b"css", "runs/a.html": b"run", "vms/web--1.html": b"vm", "index.html": b"index"}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_list(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name != LIST}


def test_a_new_folder_holds_the_files_and_their_list(tmp_path: Path) -> None:
    publish(FILES, tmp_path / "www" / "backups")
    assert without_list(tmp_path / "www" / "backups") == FILES
    listed = json.loads((tmp_path / "www" / "backups" / LIST).read_bytes())
    assert listed == {"vmbackup_site": 1, "files": sorted(FILES)}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    publish(FILES, tmp_path)
    assert without_list(tmp_path) == FILES


def test_what_is_no_more_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    publish(FILES, tmp_path)
    (tmp_path / "robots.txt").write_bytes(b"theirs")
    (tmp_path / "vms" / "notes.html").write_bytes(b"theirs")
    publish({"style.css": b"css", "vms/db--2.html": b"vm", "index.html": b"index 2"}, tmp_path)
    assert without_list(tmp_path) == {
        "style.css": b"css",
        "vms/db--2.html": b"vm",
        "index.html": b"index 2",
        "robots.txt": b"theirs",
        "vms/notes.html": b"theirs",
    }


def test_a_file_that_is_the_same_is_left_alone(tmp_path: Path) -> None:
    publish(FILES, tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.html")}
    publish({**FILES, "index.html": b"new"}, tmp_path)
    changed = [path.name for path, inode in before.items() if path.stat().st_ino != inode]
    assert changed == ["index.html"]


@pytest.mark.parametrize("theirs", ["index.html", "notes/a.txt", ".htaccess"])
def test_a_folder_that_is_not_ours_is_refused_and_not_touched(tmp_path: Path, theirs: str) -> None:
    path = tmp_path / theirs
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"theirs")
    with pytest.raises(ConfigError, match="not empty") as raised:
        publish(FILES, tmp_path)
    assert raised.value.exit_code == 2
    assert raised.value.advice
    assert tree(tmp_path) == {theirs: b"theirs"}


@pytest.mark.parametrize("said", [b"not json", b"[]", b'{"files": 5}', b"\xff"])
def test_a_list_that_is_none_of_ours_is_refused(tmp_path: Path, said: bytes) -> None:
    (tmp_path / LIST).write_bytes(said)
    with pytest.raises(ConfigError, match="not a list of ours"):
        publish(FILES, tmp_path)
    assert tree(tmp_path) == {LIST: said}


def test_a_list_cannot_make_us_remove_what_no_site_has(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    publish(FILES, folder)
    (tmp_path / "precious.html").write_bytes(b"theirs")
    (folder / "notes.html").write_bytes(b"theirs")
    names = ["../precious.html", "notes.html", "vms/../notes.html", str(tmp_path / "precious.html"), 7]
    (folder / LIST).write_text(json.dumps({"vmbackup_site": 1, "files": names}))
    publish(FILES, folder)
    assert (tmp_path / "precious.html").read_bytes() == b"theirs"
    assert (folder / "notes.html").read_bytes() == b"theirs"


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    publish({"index.html": b"index"}, folder)
    elsewhere.mkdir()
    (folder / "vms").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a link"):
        publish(FILES, folder)
    assert list(elsewhere.iterdir()) == []
    (folder / "vms").unlink()
    (elsewhere / "precious").write_bytes(b"theirs")
    (folder / "style.css").symlink_to(elsewhere / "precious")
    publish(FILES, folder)
    assert (elsewhere / "precious").read_bytes() == b"theirs"
    assert (folder / "style.css").read_bytes() == b"css"


def test_what_a_death_has_left_is_ours_to_finish(tmp_path: Path) -> None:
    publish({"index.html": b"old", "vms/gone--1.html": b"vm"}, tmp_path)
    (tmp_path / ".index.html.partial").write_bytes(b"half a page that is longer than the whole one")
    (tmp_path / "vms" / ".gone--1.html.partial").write_bytes(b"half")
    publish({"index.html": b"new"}, tmp_path)
    assert without_list(tmp_path) == {"index.html": b"new"}


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(LockHeld):
        publish(FILES, tmp_path)
    os.close(descriptor)
    publish(FILES, tmp_path)


def test_a_place_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    with pytest.raises(ConfigError, match=r"file could not be written"):
        publish(FILES, tmp_path / "file")


def test_the_index_is_seen_before_what_it_leads_to_goes(tmp_path: Path) -> None:
    """Where the last page cannot be written, every link of what is there still leads somewhere."""
    publish(FILES, tmp_path)
    (tmp_path / ".index.html.partial").mkdir()
    with pytest.raises(ConfigError):
        publish({"style.css": b"css", "runs/b.html": b"run", "index.html": b"index 2"}, tmp_path)
    (tmp_path / ".index.html.partial").rmdir()
    assert without_list(tmp_path) == {**FILES, "runs/b.html": b"run"}
    publish({"style.css": b"css", "index.html": b"index 3"}, tmp_path)
    assert without_list(tmp_path) == {"style.css": b"css", "index.html": b"index 3"}
