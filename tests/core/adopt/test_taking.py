from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.core.adopt.small_tree import SIZE, UUID, MortalTarget, adopt, lay, others
from tests.core.stores import Killed, begun, make, opened, tree

from vmbackup.adopt import clear
from vmbackup.manifest import Twin
from vmbackup.repository import Unfinished

OURS = ("adopted/", "vmbackup-target.json")


def old(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(root).items() if not name.startswith(OURS)}


def test_a_copy_is_adopted_with_all_that_is_known_of_it(root: Path) -> None:
    copy = lay(root)
    before = old(root)
    with opened(root) as repository:
        (attempt,) = adopt(repository)
        assert (attempt.word, adopt(repository)) == ("adopted", [])
        (backup,) = repository.backups()
        assert backup == attempt.backup
    manifest = backup.manifest
    assert manifest.vm is not None and manifest.image is not None  # noqa: PT018
    assert (manifest.vm.uuid, manifest.vm.name, manifest.job, manifest.method) == (
        UUID,
        "web 01",
        "weekend",
        "vdi-export",
    )
    assert manifest.adopted == Twin(folder=("web 01", copy.name), stem="web 01", adopted=True)
    (disk,) = manifest.image.disks
    assert (disk.device, disk.position, disk.virtual_size, disk.name) == ("xvda", 0, SIZE, "root")
    assert backup.proven("full")
    assert old(root) == before
    stored = root / backup.folder / "disk-0.raw"
    assert stored.samefile(copy / "web 01.raw")
    assert "sha256sum -c SHA256SUMS" in (root / backup.folder / "RESTORE.txt").read_text()


def test_killed_after_any_change_it_goes_on(root: Path, tmp_path: Path) -> None:
    lay(root)
    before = old(root)
    changes = 0
    while True:
        with opened(root, MortalTarget) as repository:
            assert isinstance(repository.target, MortalTarget)
            repository.target.left = changes
            try:
                adopt(repository)
            except Killed:
                killed = True
            else:
                killed = False
        assert old(root) == before, changes
        with opened(root) as repository:
            assert len(repository.backups()) <= 1
            adopt(repository)
            (backup,) = repository.backups()
            repository_files = tree(root)
            assert [found for found in repository.scan() if isinstance(found, Unfinished)] == []
            if not killed:
                break
            # Take it back, and have it killed one change later.
            for path in sorted((root / "adopted").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (root / "adopted").rmdir()
        changes += 1
    assert changes > 8
    assert f"{backup.folder}/manifest.json" in repository_files


def test_a_removal_that_is_killed_after_any_change_is_finished(root: Path) -> None:
    changes = 0
    while True:
        lay(root)
        (root / "web 01" / "notes.txt").write_text("mine")
        with opened(root) as repository:
            adopt(repository)
            (backup,) = repository.backups()
        with opened(root, MortalTarget) as repository:
            assert isinstance(repository.target, MortalTarget)
            repository.target.left = changes
            try:
                repository.remove(backup)
            except Killed:
                killed = True
            else:
                killed = False
        with opened(root) as repository:
            for found in list(repository.scan()):
                if isinstance(found, Unfinished) and found.trashed:
                    repository.finish_removal(found.folder)
            if changes and killed:
                assert repository.backups() == []
        if changes or not killed:
            assert old(root) == {"web 01/": b"", "web 01/notes.txt": b"mine"}, changes
        if not killed:
            break
        if not changes:
            with opened(root) as repository:
                repository.remove(backup)
        changes += 1
    assert changes > 8


@pytest.mark.parametrize("data", [SIZE - 1, 0, SIZE + (3 << 20)])
def test_an_image_that_is_not_whole_is_left_as_it_was(root: Path, data: int) -> None:
    lay(root, data=data)
    before = tree(root)
    with opened(root) as repository:
        (attempt,) = adopt(repository)
    assert (attempt.word, tree(root)) == ("wrong", before)


def test_a_disk_of_unknown_size_proves_nothing(root: Path) -> None:
    lay(root, size=None)
    before = tree(root)
    with opened(root) as repository:
        (attempt,) = adopt(repository)
    assert (attempt.word, "how large its disk was" in attempt.message) == ("left", True)
    assert tree(root) == before


def test_what_another_machine_is_adopting_is_left_to_it_for_a_day(root: Path) -> None:
    twin = Twin(folder=("web 01", "backup-2016-04-01-(02:00:00)"), stem="web 01", adopted=True)
    elsewhere = begun(installation="beef0000-0000-4000-8000-000000000002").model_copy(update={"twin": twin})
    fresh = elsewhere.model_copy(update={"started": datetime.now(UTC)})
    with opened(root) as repository:
        make(repository)
        repository.begin("adopted/web-01--11111111/20160401T020000Z-abcd", fresh)
        repository.begin("adopted/web-01--11111111/20160408T020000Z-abcd", elsewhere)
        assert list(clear(repository, "cafe")) == ["web 01/backup-2016-04-01-(02:00:00)"]
        left = [found.folder for found in repository.scan() if isinstance(found, Unfinished)]
        assert left == ["adopted/web-01--11111111/20160401T020000Z-abcd"]
        assert len(repository.backups()) == 1


def test_an_unfinished_adoption_is_taken_back_and_touches_nothing_old(root: Path) -> None:
    lay(root)
    before = old(root)
    with opened(root) as repository:
        twin = Twin(folder=("web 01", "backup-2016-04-01-(02:00:00)"), stem="web 01", adopted=True)
        folder = "adopted/web-01--11111111/20160401T020000Z-abcd"
        repository.begin(folder, begun().model_copy(update={"twin": twin}))
        others(repository).give_key(("web 01", "backup-2016-04-01-(02:00:00)", "web 01.raw"), f"{folder}/disk-0.raw")
        repository.abandon(folder)
    assert old(root) == before
    assert not (root / "adopted").exists()
