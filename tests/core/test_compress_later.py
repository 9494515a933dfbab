"""Workers on two machines that know nothing of each other: whatever one has seen, the good generation stays."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.core.stores import local, opened, tree
from tests.core.verify.images import REGISTRY, make, xva
from typing_extensions import Buffer

from vmbackup import Stored, TargetError
from vmbackup.compress_later import clear, compress
from vmbackup.manifest import Begun, Later
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify import verify
from vmbackup_targets.local import Local

HERE, ELSEWHERE = "cafe0000-0000-4000-8000-000000000001", "beef0000-0000-4000-8000-000000000002"


def claim(installation: str = HERE, age: timedelta = timedelta()) -> Begun:
    started = datetime.now(UTC) - age
    return Begun(installation=installation, run_id="0" * 16, host="h", boot_id="b", started=started)


def waiting(repository: Repository) -> Backup:
    """A backup of a whole VM that is to be compressed."""
    backup = make(repository, xva())
    return replace(backup, manifest=backup.manifest.model_copy(update={"later": Later(compressor="zstd")}))


def packed(repository: Repository, backup: Backup, by: str = HERE) -> Backup:
    made = compress(backup, repository, REGISTRY, claim(by), lambda _: None)
    assert made is not None
    return made


def expect_good(repository: Repository, generation: int) -> None:
    (found,) = repository.backups()
    assert found.manifest.generation == generation
    assert verify(found, repository, REGISTRY).good


class Meanwhile(Local):
    """Something happens on the target just before or after a file of some name is stored or deleted."""

    at = ""
    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if not self.at or not key.endswith(self.at):
            return super().store(key, chunks)
        self.before()
        stored = super().store(key, chunks)
        self.after()
        return stored


def test_a_look_from_before_does_not_cost_the_generation_that_came_since(root: Path) -> None:
    """One machine lists the backups, another compresses this one, and then the first clears what it has listed."""
    with opened(root) as repository:
        seen = waiting(repository)
        packed(repository, seen, ELSEWHERE)
        before = tree(root)
        clear(repository, seen, [], HERE)
        assert tree(root) == before
        expect_good(repository, 2)


def test_nor_does_one_from_the_moment_when_both_generations_are_there(root: Path) -> None:
    with local(root, Meanwhile) as target:
        assert isinstance(target, Meanwhile)
        repository = Repository(target, "")
        seen = waiting(repository)
        target.at, target.after = "manifest.2.json", lambda: clear(repository, seen, [], HERE)
        packed(repository, seen, ELSEWHERE)
        expect_good(repository, 2)


def test_what_a_worker_elsewhere_has_stored_so_far_is_left_to_it(root: Path) -> None:
    with local(root, Meanwhile) as target:
        assert isinstance(target, Meanwhile)
        repository = Repository(target, "")
        seen = waiting(repository)
        for name in ("image.xva.zst", "RESTORE.2.txt", "SHA256SUMS.2"):
            target.at, target.after = name, lambda: clear(repository, seen, [], HERE)
        packed(repository, seen, ELSEWHERE)
        expect_good(repository, 2)


@pytest.mark.parametrize("lost", ["image.xva.zst", "begun.2.json"])
def test_the_old_generation_stays_where_the_new_one_was_taken_away_meanwhile(root: Path, lost: str) -> None:
    """A worker that took longer than a day is held for dead elsewhere, and cleared while it publishes."""
    with local(root, Meanwhile) as target:
        assert isinstance(target, Meanwhile)
        repository = Repository(target, "")
        seen = waiting(repository)
        target.at, target.before = "manifest.2.json", lambda: target.delete(f"{seen.folder}/{lost}")
        with pytest.raises(TargetError, match="another worker has taken it over"):
            packed(repository, seen)
        expect_good(repository, 1)
        target.at = ""
        clear(repository, seen, [], HERE)
        packed(repository, seen)
        expect_good(repository, 2)


def test_a_dead_workers_things_go_and_the_work_is_done_again(root: Path) -> None:
    with opened(root) as repository:
        seen = waiting(repository)
        before = tree(root)
        for name in ("image.xva.zst", "RESTORE.2.txt", "SHA256SUMS.2"):
            repository.store(f"{seen.folder}/{name}", [b"half"])
        repository.store_fact(f"{seen.folder}/begun.2.json", claim(ELSEWHERE, timedelta(hours=25)))
        clear(repository, seen, [], HERE)
        assert tree(root) == before
        packed(repository, seen)
        expect_good(repository, 2)
