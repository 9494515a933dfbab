from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.stores import opened
from tests.core.verify.images import REGISTRY, WAYS, Unreadable, image_path, make, xva

from vmbackup.errors import TimeUp
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify import Depth, verify
from vmbackup_targets.local import Local


@pytest.mark.parametrize("way", WAYS)
def test_a_target_that_cannot_read_says_nothing_about_the_backup(root: Path, repository: Repository, way: str) -> None:
    backup = make(repository, xva(), WAYS[way])
    with opened(root, Unreadable) as unreadable:
        verdict = verify(backup, unreadable, REGISTRY)
    assert verdict.word == "unread"
    (wrong,) = verdict.wrong
    assert (wrong.file, wrong.unread) == (image_path(root, backup).name, True)
    assert "Input/output error" in wrong.message


def test_what_is_wrong_counts_before_what_could_not_be_read(root: Path, repository: Repository) -> None:
    backup = make(repository, xva())
    (root / backup.folder / "ova.xml").write_bytes(b"<valve/>")
    with opened(root, Unreadable) as unreadable:
        verdict = verify(backup, unreadable, REGISTRY)
    assert verdict.word == "wrong"
    assert [wrong.unread for wrong in verdict.wrong] == [True, False]


def test_a_file_that_is_not_there_is_wrong_and_not_unreadable(root: Path, repository: Repository) -> None:
    backup = make(repository, xva())
    image_path(root, backup).unlink()
    verdict = verify(backup, repository, REGISTRY)
    assert verdict.word == "wrong"
    assert "is missing" in verdict.wrong[0].message


def test_a_compressor_that_is_not_installed_leaves_a_backup_unread(repository: Repository) -> None:
    backup = make(repository, xva(), WAYS["zstd by us"])
    image, *others = backup.manifest.files
    files = (image.model_copy(update={"compressor": "a-strangers"}), *others)
    strange = replace(backup, manifest=backup.manifest.model_copy(update={"files": files}))
    verdict = verify(strange, repository, REGISTRY)
    assert verdict.word == "unread"
    assert "a-strangers" in verdict.wrong[0].message


@pytest.mark.parametrize("depth", [Depth(), Depth("sample", 1.0)])
def test_the_time_that_is_up_ends_a_verification(repository: Repository, depth: Depth) -> None:
    backup = make(repository, xva())

    def tell(_size: int) -> None:
        raise TimeUp("up")

    verdict = verify(backup, repository, REGISTRY, tell, depth)
    assert (verdict.word, verdict.unfinished, verdict.wrong) == ("unfinished", True, ())
    assert 0 < verdict.read <= image_size(backup)


def image_size(backup: Backup) -> int:
    return backup.manifest.files[0].size


class Pruned(Local):
    """A target from which another process removes the backup while its image is read."""

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        yield from super().fetch(key, offset, length)
        if "/image" in key:
            with opened(self.settings.path) as others:
                (backup,) = others.backups()
                others.remove(backup)


def test_a_backup_that_is_removed_meanwhile_is_not_wrong(root: Path, repository: Repository) -> None:
    backup = make(repository, xva())
    with opened(root, Pruned) as pruned:
        verdict = verify(backup, pruned, REGISTRY)
    assert verdict.word == "gone"


def test_another_generation_of_it_is_another_matter(root: Path, repository: Repository) -> None:
    """A later generation is there whole, and the files of the one that is being verified are gone."""
    backup = make(repository, xva())
    image, *others = backup.manifest.files
    second = backup.manifest.model_copy(update={"generation": 2, "files": tuple(others)})
    repository.store_fact(f"{backup.folder}/manifest.2.json", second)
    repository.target.delete(f"{backup.folder}/{image.name}")
    assert verify(backup, repository, REGISTRY).word == "gone"
    (newer,) = repository.backups()
    assert verify(newer, repository, REGISTRY).good
    (root / newer.folder / "ova.xml").write_bytes(b"<valve/>")
    assert verify(newer, repository, REGISTRY).word == "wrong"
