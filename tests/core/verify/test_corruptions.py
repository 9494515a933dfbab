"""Five hundred random corruptions of stored images: each is found, none is taken for a fault of the target."""

import hashlib
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.verify.images import REGISTRY, WAYS, image_path, make, raw, xva

from vmbackup.repository import Broken, Repository
from vmbackup.results import Backup
from vmbackup.verify import verify

# About 170 for plain images, gzip and zstd each.
NUMBERS = {"plain": 170, "gzip by the host": 80, "gzip by us": 85, "zstd by the host": 80, "zstd by us": 85}


def flip(data: bytes, chance: random.Random) -> bytes:
    """One to eight bits are turned over."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end is missing, the last byte at least."""
    return data[: chance.randrange(len(data))]


def swap(data: bytes, chance: random.Random) -> bytes:
    """Two ranges of equal length have changed places."""
    length = chance.randint(1, len(data) // 4)
    first = chance.randrange(len(data) - 2 * length + 1)
    second = chance.randrange(first + length, len(data) - length + 1)
    one, two = data[first : first + length], data[second : second + length]
    return data[:first] + two + data[first + length : second] + one + data[second + length :]


def zero(data: bytes, chance: random.Random) -> bytes:
    """A range reads as zeros."""
    length = chance.randint(1, len(data))
    start = chance.randrange(len(data) - length + 1)
    return data[:start] + bytes(length) + data[start + length :]


KINDS = (flip, cut, swap, zero)


def corrupted(data: bytes, number: int, chance: random.Random) -> bytes:
    """The bytes, changed in one of the ways: what changes nothing, such as zeros over zeros, is no corruption."""
    while (made := KINDS[number % len(KINDS)](data, chance)) == data:
        pass
    return made


def found(repository: Repository, backup: Backup) -> str:
    """What `verify --all` makes of the folder: where the size has changed there is no backup to be read any more."""
    (there,) = repository.look(backup.folder)
    if isinstance(there, Broken):
        return "unread" if there.unread else "broken"
    assert there == backup
    return verify(backup, repository, REGISTRY).word


@pytest.mark.parametrize("way", WAYS)
def test_every_corruption_is_found_and_none_is_said_to_be_unreadable(
    root: Path, repository: Repository, way: str
) -> None:
    chance = random.Random(f"corruptions of {way}")
    backup = make(repository, xva(), WAYS[way])
    path = image_path(root, backup)
    good = path.read_bytes()
    words: Counter[tuple[str, str]] = Counter()
    for number in range(NUMBERS[way]):
        path.write_bytes(corrupted(good, number, chance))
        words[KINDS[number % len(KINDS)].__name__, found(repository, backup)] += 1
        assert verify(backup, repository, REGISTRY).word == "wrong", "whatever a listing has said before"
    assert sum(words.values()) == NUMBERS[way]
    assert {key for key in words if key[0] != "cut"} == {("flip", "wrong"), ("swap", "wrong"), ("zero", "wrong")}
    assert {key for key in words if key[0] == "cut"} == {("cut", "broken")}
    path.write_bytes(good)
    assert verify(backup, repository, REGISTRY).good


def test_there_are_five_hundred() -> None:
    assert sum(NUMBERS.values()) == 500


def test_the_image_itself_is_looked_at_and_not_only_its_digest(root: Path, repository: Repository) -> None:
    """A manifest that was made from damaged bytes fits them; the image does not fit its own checksums."""
    backup = make(repository, xva())
    path = image_path(root, backup)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    image, *others = backup.manifest.files
    fitting = image.model_copy(update={"sha256": digest, "content_digest": f"sha256:{digest}"})
    manifest = backup.manifest.model_copy(update={"files": (fitting, *others)})
    verdict = verify(replace(backup, manifest=manifest), repository, REGISTRY)
    assert verdict.word == "wrong"
    assert "does not match its checksum" in verdict.wrong[0].message


@pytest.mark.parametrize("way", ["gzip by us", "zstd by us"])
def test_what_a_compressor_got_wrong_is_found_where_the_image_has_no_checksums(
    root: Path, repository: Repository, way: str
) -> None:
    """What lies there is what was stored, whole and readable, and holds another byte than the pool sent."""
    data, check = raw()
    backup = make(repository, (data, check), WAYS[way])
    *_, pack = WAYS[way]
    wrong = pack(data[:-1] + bytes([data[-1] ^ 1]))
    image_path(root, backup).write_bytes(wrong)
    image, *others = backup.manifest.files
    changes = {"sha256": hashlib.sha256(wrong).hexdigest(), "size": len(wrong), "slices": None}
    manifest = backup.manifest.model_copy(update={"files": (image.model_copy(update=changes), *others)})
    verdict = verify(replace(backup, manifest=manifest), repository, REGISTRY)
    assert verdict.word == "wrong"
    assert "does not unpack to what was backed up" in verdict.wrong[0].message
