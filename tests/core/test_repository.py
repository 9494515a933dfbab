import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.builders import START, manifest, stored
from tests.core.stores import (
    FILES,
    FOLDER,
    ID,
    IDENTITY,
    altered,
    begun,
    generation,
    kinds,
    local,
    make,
    opened,
    tree,
    write,
)
from typing_extensions import Buffer

from vmbackup import Stored
from vmbackup.errors import KeyExists, TargetError, TargetNotProven
from vmbackup.manifest import Verified
from vmbackup.repository import FACT_LIMIT, Broken, Repository
from vmbackup.results import Backup
from vmbackup_targets.local import Local

DAY = timedelta(days=1)


def test_a_target_proves_to_be_the_one_that_is_configured(repository: Repository) -> None:
    repository.prove()


@pytest.mark.parametrize(
    ("identity", "told"),
    [("", f'id = "{ID}"'), ("another", "the configuration says another"), (ID.upper(), "the configuration says")],
)
def test_another_id_than_the_configured_one(root: Path, identity: str, told: str) -> None:
    before = tree(root)
    with local(root) as target, pytest.raises(TargetNotProven) as caught:
        Repository(target, identity).prove()
    assert told in str(caught.value)
    assert caught.value.exit_code == 10
    assert tree(root) == before


def test_an_empty_folder_such_as_one_that_is_not_mounted(tmp_path: Path) -> None:
    with opened(tmp_path) as repository, pytest.raises(TargetNotProven, match="vmbackup target init nas"):
        repository.prove()
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"id": "../x", "label": "", "created": "2026-01-01T00:00:00Z"}', b"x" * (FACT_LIMIT + 1)],
)
def test_an_identity_that_is_not_to_be_believed_proves_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "vmbackup-target.json").write_bytes(data)
    with opened(tmp_path) as repository, pytest.raises(TargetNotProven, match=r"vmbackup-target\.json"):
        repository.prove()


@pytest.mark.parametrize("name", ["file", "folder/", "vmbackup-target.jsonx"])
def test_a_folder_that_is_not_empty_is_never_set_up(tmp_path: Path, name: str) -> None:
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).touch()
    before = tree(tmp_path)
    with opened(tmp_path) as repository, pytest.raises(TargetNotProven, match="not empty"):
        repository.initialise(IDENTITY)
    assert tree(tmp_path) == before


def test_what_is_set_up_is_not_set_up_again(root: Path, repository: Repository) -> None:
    before = tree(root)
    with pytest.raises(TargetNotProven, match="already") as caught:
        repository.initialise(IDENTITY.model_copy(update={"id": "other"}))
    assert ID in caught.value.advice
    assert tree(root) == before


def test_the_root_of_a_fresh_disk_can_be_set_up(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0o700)
    with opened(tmp_path) as repository:
        repository.initialise(IDENTITY)
        repository.prove()
        assert list(repository.scan()) == []


def test_a_backup_exists_from_its_manifest_on(repository: Repository) -> None:
    assert kinds(repository) == {}
    repository.begin(FOLDER, begun())
    assert kinds(repository) == {FOLDER: "Unfinished"}
    files = write(repository, FOLDER, FILES)
    assert kinds(repository) == {FOLDER: "Unfinished"}
    assert repository.backups() == []
    made = repository.publish(FOLDER, manifest(files=files))
    assert repository.backups() == [made]
    assert kinds(repository) == {FOLDER: "Backup"}


def test_backups_come_oldest_first_dumps_of_the_pool_database_among_them(repository: Repository) -> None:
    names = ["web", "db", "a"]
    made = [make(repository, START + number * DAY, name) for number, name in enumerate(names)]
    dump = "pool-database/20251231T000000Z-0123"
    repository.begin(dump, begun())
    written = [stored("pool.xml", b"<database/>", "pool-database")]
    repository.store(f"{dump}/pool.xml", [b"<database/>"])
    first = repository.publish(dump, manifest(at=START - DAY, database=True, files=written))
    repository.store("runs/weekend/20260103T020000Z-0123.json", [b"{}"])
    assert repository.backups() == [first, *made]


def test_nothing_is_written_twice(root: Path, repository: Repository) -> None:
    make(repository)
    before = tree(root)
    with pytest.raises(KeyExists):
        repository.begin(FOLDER, begun("f" * 16))
    with pytest.raises(KeyExists):
        repository.publish(FOLDER, manifest(job="other"))
    assert tree(root) == before


class Short(Local):
    """A target that says that it has less than it was sent."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return Stored(key, super().store(key, chunks).size - 1)


def test_a_target_that_has_another_size_than_was_sent_is_not_believed(root: Path) -> None:
    with opened(root, Short) as repository, pytest.raises(TargetError, match=r"15 bytes were sent.* has 14"):
        repository.store(f"{FOLDER}/image.xva", [b"the whole ", b"image"])


def test_a_source_that_fails_leaves_nothing(root: Path, repository: Repository) -> None:
    def broken() -> Iterator[bytes]:
        yield b"the whole"
        raise RuntimeError("torn")

    before = tree(root)
    with pytest.raises(RuntimeError, match="torn"):
        repository.store(f"{FOLDER}/image.xva", broken())
    assert {name: data for name, data in tree(root).items() if not name.endswith("/")} == {
        name: data for name, data in before.items() if not name.endswith("/")
    }


def counted(repository: Repository) -> int:
    (found,) = repository.look(FOLDER)
    assert isinstance(found, Backup)
    return found.manifest.generation


def test_the_highest_generation_whose_files_are_all_there_counts(root: Path, repository: Repository) -> None:
    make(repository)
    assert counted(repository) == 1
    generation(repository, 2, {"image.xva.zst": b"packed"})
    assert counted(repository) == 2
    generation(repository, 10, {"image.xva.gz": b"packed again"})
    generation(repository, 9, {}, whole=False)
    assert counted(repository) == 10
    generation(repository, 11, {"image.11": b"never came"}, whole=False)
    assert counted(repository) == 10
    (root / FOLDER / "image.xva.gz").write_bytes(b"cut")
    (root / FOLDER / "manifest.9.json").write_bytes(b"garbage")
    assert counted(repository) == 2
    (root / FOLDER / "image.xva.zst").unlink()
    assert counted(repository) == 1
    (root / FOLDER / "image.xva").unlink()
    (found,) = repository.look(FOLDER)
    assert isinstance(found, Broken)
    assert "image.xva is missing" in found.reason
    assert "image.xva.zst is missing" in found.reason
    assert "image.xva.gz has 3 bytes instead of 12" in found.reason


def test_a_file_that_is_missing_or_of_another_size_breaks_a_backup(root: Path, repository: Repository) -> None:
    make(repository)
    other = make(repository, START + DAY)
    (root / FOLDER / "DISK-xvda" / "vdi.cfg").write_bytes(b"longer than before\n")
    assert kinds(repository) == {FOLDER: "Broken", other.folder: "Backup"}
    assert repository.backups() == [other]


GOOD = manifest(files=[stored("image.xva", b"the whole image")]).model_dump_json()
FILE = json.loads(GOOD)["files"][0]
HOSTILE = {
    "key above": altered(GOOD, files=[{**FILE, "name": "../x"}]),
    "key far above": altered(GOOD, files=[{**FILE, "name": "a/../../../../etc/passwd"}]),
    "absolute key": altered(GOOD, files=[{**FILE, "name": "/etc/passwd"}]),
    "empty key": altered(GOOD, files=[{**FILE, "name": ""}]),
    "key with a NUL": altered(GOOD, files=[{**FILE, "name": "a\0b"}]),
    "key that fits only without its folder": altered(GOOD, files=[{**FILE, "name": "/".join(["a" * 79] * 5)}]),
    "key of a number": altered(GOOD, files=[{**FILE, "name": 5}]),
    "key of another backup": altered(GOOD, files=[{**FILE, "name": "image.xva/x"}]),
    "negative size": altered(GOOD, files=[{**FILE, "size": -1}]),
    "size beyond bounds": altered(GOOD, files=[{**FILE, "size": 2**70}]),
    "size of many digits": GOOD.replace('"size":15', '"size":1' + "0" * 5000),
    "size of text": altered(GOOD, files=[{**FILE, "size": "many"}]),
    "size without end": GOOD.replace('"size":15', '"size":1e999'),
    "no digest": altered(GOOD, files=[{**FILE, "sha256": "../../x"}]),
    "files of text": altered(GOOD, files="image.xva"),
    "no files": altered(GOOD, files=None),
    "run with a path": altered(GOOD, run_id="../../x"),
    "later format": altered(GOOD, vmbackup_manifest=2),
    "generation 0": altered(GOOD, generation=0),
    "time without zone": altered(GOOD, snapshot_time="2026-01-03T02:00:00"),
    "time before time": altered(GOOD, snapshot_time="0001-01-01T00:00:00+23:00"),
    "time after time": altered(GOOD, snapshot_time="9999-12-31T23:59:59-23:00"),
    "time of a number": altered(GOOD, snapshot_time=1e300),
    "pool of a list": altered(GOOD, pool=[]),
    "uuid with a path": altered(GOOD, vm={"uuid": "../x", "name": "a", "power_state": "b"}),
    "a list": "[]",
    "nothing": "",
    "half": GOOD[: len(GOOD) // 2],
    "no JSON": "\x1b[31m",
    "no text": b"\xff\xfe\x00",
    "half a character": GOOD.replace("web", r"\ud800"),
    "deep": "[" * 100_000,
    "huge": GOOD + " " * FACT_LIMIT,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_manifest_that_is_hostile_is_broken_and_nothing_worse(
    root: Path, repository: Repository, data: str | bytes
) -> None:
    repository.begin(FOLDER, begun())
    write(repository, FOLDER, FILES)
    other = make(repository, START + DAY)
    (root / FOLDER / "manifest.json").write_bytes(data if isinstance(data, bytes) else data.encode())
    before = tree(root)
    assert kinds(repository) == {FOLDER: "Broken", other.folder: "Backup"}
    (found,) = repository.look(FOLDER)
    assert isinstance(found, Broken)
    assert len(found.reason) < 1000
    assert tree(root) == before


def test_the_unaltered_manifest_is_good(root: Path, repository: Repository) -> None:
    repository.begin(FOLDER, begun())
    write(repository, FOLDER, FILES)
    (root / FOLDER / "manifest.json").write_text(altered(GOOD, field_of_a_later_version=[1, 2]))
    assert kinds(repository) == {FOLDER: "Backup"}


BEGUN = begun().model_dump_json().encode()
MANIFEST = GOOD.encode()
FOREIGN: dict[str, dict[str, bytes]] = {
    "files of somebody": {"image.xva": b"mine", "notes.txt": b"mine"},
    "a manifest without begun.json": {"manifest.json": MANIFEST, "image.xva": b"the whole image"},
    "trash.json without begun.json": {"trash.json": MANIFEST, "image.xva": b"mine"},
    "trash.json that says nothing": {"trash.json": b"{}"},
    "begun.json that is garbage": {"begun.json": b"garbage", "image.xva": b"mine"},
    "begun.json that is empty": {"begun.json": b"", "image.xva": b"mine"},
    "begun.json of others": {"begun.json": b'{"started": "2026-01-03T02:00:00Z"}', "image.xva": b"mine"},
    "begun.json that is garbage, and trash.json": {"begun.json": b"{", "trash.json": MANIFEST, "image.xva": b"mine"},
    "begun.json in a folder below": {"sub/begun.json": BEGUN, "sub/manifest.json": MANIFEST},
    "names that differ a little": {"Begun.json": BEGUN, "begun.json.old": BEGUN, "image.xva": b"mine"},
}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("folder", ["a", "a/b", FOLDER, "a/b/c/d", "runs/a/b", "pool-database/a"])
def test_folders_of_others_are_no_concern_of_ours(
    root: Path, repository: Repository, folder: str, files: dict[str, bytes]
) -> None:
    for name, data in files.items():
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert [found for found in repository.scan() if not isinstance(found, Broken)] == []


def test_a_backup_whose_begun_json_is_damaged_does_not_vanish_in_silence(root: Path, repository: Repository) -> None:
    make(repository)
    (root / FOLDER / "begun.json").write_bytes(b"\0" * 100)
    (found,) = repository.scan()
    assert isinstance(found, Broken)
    assert "begun.json" in found.reason


def test_a_small_file_that_is_not_small_is_not_read(root: Path, repository: Repository) -> None:
    (root / "huge").write_bytes(b"x" * (FACT_LIMIT + 1))
    (root / "limit").write_bytes(b"x" * FACT_LIMIT)
    assert len(repository.fetch_small("limit")) == FACT_LIMIT
    with pytest.raises(TargetError, match=re.escape("huge: it has more than 4,194,304 bytes")):
        repository.fetch_small("huge")


class Failing(Local):
    """A target whose disk reports an error for one of the small files."""

    name_of_it = "manifest.json"

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        if key.endswith(self.name_of_it):
            raise TargetError(f"{key} could not be read: Input/output error")
        return super().fetch(key, offset, length)


class FailingResult(Failing):
    name_of_it = "verified-20260202T020000Z.json"


def test_a_manifest_that_cannot_be_read_is_told_from_one_that_is_wrong(root: Path, repository: Repository) -> None:
    make(repository)
    with opened(root, Failing) as failing:
        (found,) = failing.scan()
    assert isinstance(found, Broken)
    assert found.unread
    assert "Input/output error" in found.reason
    (root / FOLDER / "manifest.json").write_bytes(b"{}")
    (found,) = repository.scan()
    assert isinstance(found, Broken)
    assert not found.unread


def test_a_kept_result_that_cannot_be_read_might_be_that_the_backup_is_wrong(
    root: Path, repository: Repository
) -> None:
    made = make(repository)
    good = Verified(generation=1, moment=START, level="full", read=1, seconds=1, written_by="vmbackup 0", finished=True)
    repository.store_fact(f"{made.folder}/{FailingResult.name_of_it}", good)
    (found,) = repository.backups()
    assert found.fault is None
    with opened(root, FailingResult) as failing:
        (found,) = failing.backups()
    assert found.fault is not None
    assert "Input/output error" in found.fault.wrong[0].message
