import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.core.builders import START
from tests.core.stores import (
    FOLDER,
    Killed,
    Mortal,
    begun,
    generation,
    kinds,
    make,
    opened,
    tree,
    write,
)
from typing_extensions import Buffer

from vmbackup import Stored, TargetError
from vmbackup.repository import Repository, Unfinished
from vmbackup.results import Backup
from vmbackup_targets.local import Local

DAY = timedelta(days=1)


NOTES = {"notes.txt": b"somebody's", "DISK-xvda/notes.txt": b"somebody's", "own/image.xva": b"somebody's"}


def prepare(root: Path, *, foreign: bool) -> tuple[Backup, dict[str, bytes]]:
    """A backup of two generations, and all that must be left when it is gone."""
    with opened(root) as repository:
        make(repository, START + DAY)
        if foreign:
            for name, data in NOTES.items():
                (root / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
                (root / FOLDER / name).write_bytes(data)
        left = tree(root)
        make(repository)
        generation(repository, 2, {"image.xva.zst": b"packed"})
        (backup,) = [found for found in repository.backups() if found.folder == FOLDER]
    return backup, left


def finish(repository: Repository) -> None:
    """What the next run does."""
    for found in list(repository.scan()):
        if isinstance(found, Unfinished) and found.trashed:
            repository.finish_removal(found.folder)


def cut(root: Path, backup: Backup, changes: int) -> bool:
    """Remove a backup in a process that is killed after so many changes; say whether it was."""
    with opened(root, Mortal) as repository:
        assert isinstance(repository.target, Mortal)
        repository.target.left = changes
        try:
            repository.remove(backup)
        except Killed:
            return True
    return False


def check_cut(root: Path) -> None:
    """Before trash.json is there it is a backup, and nothing but a removal from then on."""
    with opened(root) as repository:
        expected = "trashed" if (root / FOLDER / "trash.json").exists() else "Backup"
        assert kinds(repository)[FOLDER] == expected


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("changes", range(11))
def test_a_removal_that_is_cut_short_is_finished_later(root: Path, changes: int, *, foreign: bool) -> None:
    backup, left = prepare(root, foreign=foreign)
    assert cut(root, backup, changes)
    check_cut(root)
    with opened(root) as repository:
        finish(repository)
        if changes == 0:
            repository.remove(backup)
        assert list(kinds(repository).values()) == ["Backup"]
    assert tree(root) == left


@pytest.mark.parametrize("foreign", [False, True])
def test_a_removal_that_is_cut_short_again_and_again_is_finished_at_last(root: Path, *, foreign: bool) -> None:
    backup, left = prepare(root, foreign=foreign)
    assert cut(root, backup, 1)
    steps = 0
    while (root / FOLDER / "trash.json").exists():
        check_cut(root)
        with opened(root, Mortal) as repository:
            assert isinstance(repository.target, Mortal)
            # Deletes of what is gone already are changes too: two more each time bring it on.
            repository.target.left = steps
            steps += 1
            try:
                finish(repository)
            except Killed:
                continue
    assert steps > 3
    assert tree(root) == left


def test_a_whole_removal_needs_no_more_than_the_cuts_above(root: Path) -> None:
    backup, left = prepare(root, foreign=False)
    assert not cut(root, backup, 11)
    assert tree(root) == left


def test_a_removal_keeps_an_order_in_which_it_never_looks_like_a_backup(root: Path) -> None:
    order: list[str] = []

    class Watched(Local):
        """Writes down what is changed."""

        def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
            order.append("+" + key.removeprefix(FOLDER + "/"))
            return super().store(key, chunks)

        def delete(self, key: str) -> None:
            order.append("-" + key.removeprefix(FOLDER + "/"))
            super().delete(key)

    backup, _ = prepare(root, foreign=False)
    with opened(root, Watched) as repository:
        repository.remove(backup)
    assert order[0] == "+trash.json"
    assert sorted(order[1:3]) == ["-manifest.2.json", "-manifest.json"]
    assert order[-2:] == ["-begun.json", "-trash.json"]


WRITER = """
import sys, time
from pathlib import Path
from vmbackup_targets.local import Local, LocalSettings

def chunks():
    yield b"the first half"
    print("half", flush=True)
    sys.stdin.readline()

with Local("nas", LocalSettings(path=Path(sys.argv[1]))) as target:
    target.store(sys.argv[2], chunks())
"""


def killed_while_storing(root: Path, key: str) -> None:
    command = [sys.executable, "-c", WRITER, str(root), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL


def test_what_was_begun_is_given_up_with_its_half_files(root: Path, repository: Repository) -> None:
    other = make(repository, START + DAY)
    before = tree(root)
    repository.begin(FOLDER, begun())
    write(repository, FOLDER, {"ova.xml": b"<value/>", "DISK-xvda/vdi.cfg": b"a=b\n"})
    killed_while_storing(root, f"{FOLDER}/image.xva")
    killed_while_storing(root, f"{other.folder}/elsewhere")
    assert len(list(repository.target.leftovers())) == 2
    repository.abandon(FOLDER)
    assert [leftover.key for leftover in repository.target.leftovers()] == [f"{other.folder}/elsewhere"]
    assert {name for name in tree(root) if ".partial" not in name} == set(before)


def test_what_was_published_is_never_given_up(root: Path, repository: Repository) -> None:
    make(repository)
    before = tree(root)
    repository.abandon(FOLDER)
    assert tree(root) == before


def test_what_others_put_into_a_folder_of_ours_stays(root: Path, repository: Repository) -> None:
    repository.begin(FOLDER, begun())
    (root / FOLDER / "notes.txt").write_bytes(b"somebody's")
    repository.abandon(FOLDER)
    assert list(tree(root / FOLDER)) == ["notes.txt"]
    repository.abandon(FOLDER)
    assert kinds(repository) == {}


def test_giving_up_what_is_not_there_is_no_error(root: Path, repository: Repository) -> None:
    before = tree(root)
    repository.abandon(FOLDER)
    assert tree(root) == before


class Keeping(Local):
    """A target that lets nobody delete manifests before a day."""

    def locked_until(self, key: str) -> datetime | None:
        return START + 30 * DAY if "manifest" in key else None


def test_nothing_of_a_backup_is_touched_while_its_target_keeps_any_file_of_it(tmp_path: Path) -> None:
    backup, _ = prepare(tmp_path, foreign=True)
    before = tree(tmp_path)
    with opened(tmp_path, Keeping) as repository:
        with pytest.raises(TargetError, match=rf"manifest\.json is locked until {START + 30 * DAY:%Y-%m-%d}") as told:
            repository.remove(backup)
        assert backup.address in told.value.message
        assert "A run after that date removes it." in told.value.advice
        assert backup in repository.backups()
    assert tree(tmp_path) == before
