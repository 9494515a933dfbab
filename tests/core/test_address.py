from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import START, backup
from tests.core.verify.images import result

from vmbackup.address import caution, resolve
from vmbackup.errors import ConfigError
from vmbackup.results import Backup

WEEK = timedelta(days=7)
WEB = "11111111-0000-4000-8000-000000000000"
WEB_2 = "22222222-0000-4000-8000-000000000000"
DB = "33333333-0000-4000-8000-000000000000"
OLD, NEW = backup(), backup(at=START + WEEK)
OTHER = backup(name="web-2", uuid=WEB_2)
DISK = backup(target="disk", at=START + 2 * WEEK)
DUMP = backup(database=True)
ODD = backup(name="a:b@c", uuid=DB)
ALL = [OLD, OTHER, DUMP, ODD, NEW, DISK]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nas:web@20260103T020000Z-0123", OLD),
        ("nas:web@20260110T020000Z-0123", NEW),
        ("web@20260110", NEW),
        ("20260110T", NEW),
        ("nas:web-2", OTHER),
        ("disk:", DISK),
        ("disk:web@latest", DISK),
        ("nas:web@latest", NEW),
        ("web-2@latest", OTHER),
        (f"{WEB_2}@latest", OTHER),
        (WEB_2, OTHER),
        (f"nas:{WEB}@latest", NEW),
        ("pool-database", DUMP),
        ("nas:pool-database@latest", DUMP),
        ("a:b@c@latest", ODD),
        ("nas:a:b@c", ODD),
    ],
)
def test_what_names_one_backup(text: str, found: Backup) -> None:
    assert resolve(text, ALL) is found


@pytest.mark.parametrize("text", ["nobody", "nobody@latest", "we@latest", "tape:web@latest", "web@1999", WEB[:8]])
def test_what_names_none(text: str) -> None:
    with pytest.raises(ConfigError, match="no backup is called") as caught:
        resolve(text, ALL)
    assert "vmbackup list" in caught.value.advice


@pytest.mark.parametrize("text", ["web", "nas:", "web@2026", "web@latest", WEB, "@latest"])
def test_what_names_several_or_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        resolve(text, ALL)


def test_several_are_listed_newest_last_and_not_all_of_very_many() -> None:
    many = [backup(at=START + number * WEEK) for number in range(20)]
    with pytest.raises(ConfigError, match="20 backups") as caught:
        resolve("web", many)
    listed = [line.strip() for line in caught.value.message.splitlines()[1:]]
    assert listed == [one.address for one in many[-8:]]


def test_a_whole_address_is_never_ambiguous() -> None:
    longer = backup(target="my-nas")
    assert resolve(OLD.address, [OLD, longer]) is OLD
    assert resolve(longer.address, [OLD, longer]) is longer


def test_the_latest_of_two_vms_of_one_name_is_none() -> None:
    twin = backup(uuid=WEB_2, at=START + WEEK)
    with pytest.raises(ConfigError, match="2 backups"):
        resolve("web@latest", [OLD, twin])
    assert resolve(f"{WEB_2}@latest", [OLD, twin]) is twin


def test_an_empty_target_has_none() -> None:
    with pytest.raises(ConfigError):
        resolve("web@latest", [])


def test_twins_of_one_second_are_told_apart_by_their_folders() -> None:
    twin = backup(uuid=WEB_2)
    assert twin.address == OLD.address
    with pytest.raises(ConfigError, match="2 backups") as caught:
        resolve(OLD.address, [OLD, twin])
    assert twin.folder in caught.value.message
    assert resolve(f"{twin.target}:{twin.folder}", [OLD, twin]) is twin


LATEST = backup(at=START + 3 * WEEK)
WRONG = replace(LATEST, verified=(result(days=30, wrong="damaged"),))


def test_the_latest_is_none_that_was_found_wrong_and_that_is_said() -> None:
    there = [OLD, NEW, WRONG]
    assert resolve("web@latest", there) is NEW
    assert caution("web@latest", NEW, there) == f"{NEW.address} is not the newest: {WRONG.address} was found wrong"


def test_the_latest_of_nothing_but_wrong_ones_is_the_newest_and_that_is_said() -> None:
    older = replace(NEW, verified=WRONG.verified)
    assert resolve("web@latest", [older, WRONG]) is WRONG
    said = caution("web@latest", WRONG, [older, WRONG])
    assert said == f"{WRONG.address} was found wrong on 2026-02-02: image.xva: damaged"


def test_one_that_was_found_wrong_can_be_named_and_that_is_said() -> None:
    assert resolve(WRONG.address, [OLD, WRONG]) is WRONG
    assert "was found wrong" in caution(WRONG.address, WRONG, [OLD, WRONG])


def test_nothing_is_said_of_what_is_good() -> None:
    repaired = replace(WRONG, verified=(result(days=31), *WRONG.verified))
    assert resolve("web@latest", [OLD, repaired]) is repaired
    assert caution("web@latest", repaired, [OLD, repaired]) == ""
    assert caution(OLD.address, OLD, [OLD, WRONG]) == "", "an older one that is named is meant"
    assert caution("disk:web@latest", DISK, [*ALL, WRONG]) == "", "what is wrong elsewhere is another matter"
