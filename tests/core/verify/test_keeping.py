from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.core.builders import START
from tests.core.stores import make, opened, tree
from tests.core.verify.images import result

from vmbackup.errors import TargetError
from vmbackup.manifest import Verified
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify import Depth, Verdict, Wrong, keep, result_of
from vmbackup.verify.keeping import superseded

NOW = START + timedelta(days=30, microseconds=7)
WRONG = Wrong("image.xva", "damaged")
UNREAD = Wrong("ova.xml", "no", unread=True)


def verdict(
    backup: Backup, *wrong: Wrong, depth: Depth | None = None, unfinished: bool = False, gone: bool = False
) -> Verdict:
    return Verdict(backup, wrong, 15, depth or Depth(), 2.04, unfinished, gone)


def kept(repository: Repository, now: datetime, *wrong: Wrong, level: str = "full", unfinished: bool = False) -> Backup:
    """Keep a result as the next call would, and return the backup as it is listed then."""
    (backup,) = repository.backups()
    depth = Depth("quick") if level == "quick" else Depth("sample", 0.05) if level == "sample" else Depth()
    made = result_of(verdict(backup, *wrong, depth=depth, unfinished=unfinished), now)
    assert made is not None
    keep(made, backup, repository)
    (backup,) = repository.backups()
    return backup


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("verified-*.json"))


def test_a_result_lies_beside_the_manifest_and_is_read_back_with_the_backup(root: Path, repository: Repository) -> None:
    made = make(repository)
    before = tree(root)
    backup = kept(repository, NOW, level="sample")
    (name,) = set(tree(root)) - set(before)
    assert name == f"{made.folder}/verified-20260202T020000Z.json"
    (one,) = backup.verified
    assert (one.level, one.share, one.read, one.seconds, one.good) == ("sample", 0.05, 15, 2.0, True)
    assert one.moment == NOW.replace(microsecond=0)
    assert one.written_by.startswith("vmbackup ")


def test_what_could_not_be_read_or_is_gone_leaves_no_result(repository: Repository) -> None:
    backup = make(repository)
    assert result_of(verdict(backup, UNREAD), NOW) is None
    assert result_of(verdict(backup, WRONG, gone=True), NOW) is None


def test_of_what_is_wrong_only_that_is_kept_and_not_what_could_not_be_read(repository: Repository) -> None:
    made = result_of(verdict(make(repository), WRONG, UNREAD), NOW)
    assert made is not None
    assert [(wrong.file, wrong.message) for wrong in made.wrong] == [("image.xva", "damaged")]
    assert not made.good


def test_a_clock_that_stands_or_goes_back_leaves_the_order_of_results_as_it_was(repository: Repository) -> None:
    make(repository)
    assert kept(repository, NOW, WRONG).fault
    assert kept(repository, NOW).fault is None
    assert kept(repository, START, WRONG).fault
    backup = kept(repository, START)
    assert backup.fault is None
    moments = [one.moment for one in backup.verified]
    assert moments == sorted(set(moments), reverse=True)


def test_only_a_whole_reading_lifts_the_mark(repository: Repository) -> None:
    make(repository)
    marked = kept(repository, NOW, WRONG, level="sample")
    assert marked.fault is not None
    for level in ("quick", "sample"):
        assert kept(repository, NOW, level=level).fault == marked.fault
    assert kept(repository, NOW, unfinished=True).fault == marked.fault
    lifted = kept(repository, NOW)
    assert lifted.fault is None
    assert lifted.proven("full") is not None


def test_results_do_not_grow_in_number(root: Path, repository: Repository) -> None:
    """Every level, good, wrong and unfinished, many times over."""
    make(repository)
    for day in range(12):
        for number, level in enumerate(("quick", "sample", "full", "quick", "sample")):
            now = NOW + timedelta(days=day, hours=number)
            kept(repository, now, *([WRONG] if day % 7 == 3 else []), level=level, unfinished=day % 5 == 4)
    assert len(names(root)) <= 7


def test_the_last_fault_stays_known_when_the_backup_is_good_again(repository: Repository) -> None:
    make(repository)
    kept(repository, NOW, WRONG)
    for _ in range(3):
        backup = kept(repository, NOW)
    assert [bool(one.wrong) for one in backup.verified] == [False, True]


@pytest.mark.parametrize(
    ("new", "old", "goes"),
    [
        (result("full"), result("full"), True),
        (result("full"), result("quick"), True),
        (result("quick"), result("full"), False),
        (result("sample"), result("full"), False),
        (result("full"), result("full", wrong="x"), False),
        (result("full", wrong="x"), result("sample", wrong="x"), True),
        (result("full", wrong="x"), result("full"), False),
        (result("full", finished=False), result("full"), False),
        (result("full", finished=False), result("full", finished=False), True),
        (result("full"), result("full", finished=False), True),
        (result("quick"), result("full", finished=False), False),
    ],
)
def test_which_result_tells_all_that_another_did(new: Verified, old: Verified, *, goes: bool) -> None:
    assert superseded(new, [old]) == ([old] if goes else [])


def test_the_results_go_with_the_backup(root: Path, repository: Repository) -> None:
    before = tree(root)
    make(repository)
    backup = kept(repository, NOW, WRONG)
    repository.remove(backup)
    assert tree(root) == before


def test_another_generation_begins_without_results(root: Path, repository: Repository) -> None:
    backup = make(repository)
    kept(repository, NOW, WRONG)
    second = backup.manifest.model_copy(update={"generation": 2})
    repository.store_fact(f"{backup.folder}/manifest.2.json", second)
    with opened(root) as again:
        (newer,) = again.backups()
    assert newer.manifest.generation == 2
    assert (newer.verified, newer.fault) == ((), None)


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b"\0" * 100, b'{"vmbackup_verified": 2}'])
def test_a_result_that_cannot_be_believed_counts_as_one_that_found_something_wrong(
    root: Path, repository: Repository, data: bytes
) -> None:
    backup = make(repository)
    (root / backup.folder / "verified-20260202T020000Z.json").write_bytes(data)
    (root / backup.folder / "verified-20269902T020000Z.json").write_bytes(data)
    (found,) = repository.backups()
    assert found.fault is not None
    assert found.fault.moment == NOW.replace(microsecond=0)
    assert kept(repository, NOW).fault is None
    assert replace(found, verified=()) == backup


def test_a_backup_that_was_removed_meanwhile_leaves_nothing_behind(root: Path, repository: Repository) -> None:
    before = tree(root)
    backup = make(repository)
    repository.remove(backup)
    good = result()
    with pytest.raises(TargetError, match="was removed meanwhile"):
        keep(good, backup, repository)
    assert tree(root) == before


def test_a_removal_that_has_begun_takes_no_result(root: Path, repository: Repository) -> None:
    backup = make(repository)
    repository.store_fact(f"{backup.folder}/trash.json", backup.manifest)
    with pytest.raises(TargetError, match="was removed meanwhile"):
        keep(result(), backup, repository)
    assert names(root) == []
