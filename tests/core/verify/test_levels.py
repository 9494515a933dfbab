import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from tests.core.builders import START
from tests.core.stores import opened
from tests.core.verify.images import REGISTRY, WAYS, bytes_backup, content, image_path, make, raw, vhd, xva

from vmbackup.images import ImageCheck
from vmbackup.manifest import Slices
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.slices import LEAF
from vmbackup.verify import Depth, Verdict, verify
from vmbackup_targets.local import Local

FULL, QUICK = Depth(), Depth("quick")
SMALL = len(b"<value/>")


def sample(share: float, seed: int = 0) -> Depth:
    return Depth("sample", share, random.Random(seed))


def verdict(repository: Repository, backup: Backup, depth: Depth) -> Verdict:
    told: list[int] = []
    made = verify(backup, repository, REGISTRY, told.append, depth)
    assert made.read == sum(told)
    return made


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize("depth", [FULL, QUICK, sample(0.05), sample(1)], ids=lambda depth: depth.level)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_good_is_good_at_every_level(repository: Repository, way: str, depth: Depth) -> None:
    backup = make(repository, xva(), WAYS[way])
    assert verdict(repository, backup, depth).good
    assert repository.backups() == [backup], "verifying alone writes nothing"


@pytest.mark.parametrize("image", [raw, vhd])
def test_single_disks_too(repository: Repository, image: Callable[[], tuple[bytes, ImageCheck]]) -> None:
    backup = make(repository, image())
    assert all(verdict(repository, backup, depth).good for depth in (FULL, QUICK, sample(0.5)))


def test_a_quick_one_reads_nothing_and_sees_sizes_alone(root: Path, repository: Repository) -> None:
    backup = make(repository, xva())
    path = image_path(root, backup)
    data = path.read_bytes()
    path.write_bytes(bytes(len(data)))
    quick = verdict(repository, backup, QUICK)
    assert (quick.word, quick.read) == ("good", 0)
    path.write_bytes(data[:-1])
    (wrong,) = verdict(repository, backup, QUICK).wrong
    assert f"has {len(data) - 1:,} bytes instead of {len(data):,}" in wrong.message
    path.unlink()
    (wrong,) = verdict(repository, backup, QUICK).wrong
    assert (wrong.file, wrong.unread) == (path.name, False)
    assert "is missing" in wrong.message


@pytest.mark.parametrize(("share", "slices"), [(0.001, 1), (0.2, 1), (0.21, 2), (0.5, 3), (1, 5)])
def test_a_sample_reads_its_share_in_whole_slices(repository: Repository, share: float, slices: int) -> None:
    backup = bytes_backup(repository, content(1, 5, LEAF))
    assert verdict(repository, backup, sample(share)).read == slices * LEAF + SMALL


def test_a_sample_finds_damage_where_it_looks_and_only_there(root: Path, repository: Repository) -> None:
    backup = bytes_backup(repository, content(1, 4, LEAF) + b"the end")
    overwrite(image_path(root, backup), 2 * LEAF + 5, b"\xff")
    words = [verdict(repository, backup, sample(0.2, seed)).word for seed in range(40)]
    assert set(words) == {"good", "wrong"}
    (wrong,) = verdict(repository, backup, sample(1)).wrong
    assert f"in its bytes {2 * LEAF:,} to {3 * LEAF:,}" in wrong.message
    assert verdict(repository, backup, FULL).word == "wrong"


def test_a_sample_finds_damage_in_the_last_and_shorter_slice(root: Path, repository: Repository) -> None:
    backup = bytes_backup(repository, content(1, 2, LEAF) + b"the end")
    overwrite(image_path(root, backup), 2 * LEAF + 6, b"D")
    (wrong,) = verdict(repository, backup, sample(1)).wrong
    assert f"in its bytes {2 * LEAF:,} to {2 * LEAF + 7:,}" in wrong.message


@pytest.mark.parametrize("way", WAYS)
def test_a_sample_needs_no_more_of_a_compressed_image_than_its_stored_bytes(
    root: Path, repository: Repository, way: str
) -> None:
    backup = make(repository, xva(), WAYS[way])
    path = image_path(root, backup)
    overwrite(path, path.stat().st_size // 2, b"damage")
    (wrong,) = verdict(repository, backup, sample(0.05)).wrong
    assert "not what was stored in its bytes" in wrong.message, "the only slice is always looked at"


class Noting(Local):
    """A target that notes where its images are read."""

    noted: ClassVar[set[int]] = set()

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        if "/disk-0" in key:
            self.noted.add(offset)
        return super().fetch(key, offset, length)


def test_over_time_samples_come_by_everywhere(root: Path, repository: Repository) -> None:
    backup = bytes_backup(repository, content(1, 6, LEAF))
    with opened(root, Noting) as noting:
        for seed in range(40):
            assert verdict(noting, backup, sample(0.1, seed)).good
    assert Noting.noted == {number * LEAF for number in range(6)}


def with_slices(backup: Backup, slices: Slices | None) -> Backup:
    image, *others = backup.manifest.files
    files = (image.model_copy(update={"slices": slices}), *others)
    return replace(backup, manifest=backup.manifest.model_copy(update={"files": files}))


def test_without_digests_of_slices_a_sample_is_the_whole_file(root: Path, repository: Repository) -> None:
    backup = with_slices(bytes_backup(repository, content(1, 3, LEAF)), None)
    assert verdict(repository, backup, sample(0.01)).read == 3 * LEAF + SMALL
    overwrite(image_path(root, backup), 2 * LEAF, b"damage")
    assert all(verdict(repository, backup, sample(0.01, seed)).word == "wrong" for seed in range(5))


@pytest.mark.parametrize("digits", [0, 16, 64])
def test_a_manifest_whose_slices_do_not_cover_the_image_is_wrong(repository: Repository, digits: int) -> None:
    backup = bytes_backup(repository, content(1, 3, LEAF), START)
    slices = Slices(size=LEAF, digests="0" * digits)
    (wrong,) = verdict(repository, with_slices(backup, slices), sample(1)).wrong
    assert f"digests of {digits // 16} of 3 slices" in wrong.message
