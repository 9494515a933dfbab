import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.core.adopt.small_tree import lay, others
from tests.core.stores import opened

from vmbackup.adopt import Copy, Stranger, find
from vmbackup.adopt.tree import moment_of


@pytest.fixture(autouse=True)
def _arizona() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "MST7")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "name",
    [
        "backup-2016-04-01-(02:15:44)",
        "backup-2016-04-01-(02-15-44)",
        "backup-2016-04-01-02-15-44",
        "backup-2016_04_01 02.15.44",
        "backup-20160401-021544",
    ],
)
def test_times_are_local_whatever_the_separators(name: str) -> None:
    assert moment_of(name) == datetime(2016, 4, 1, 9, 15, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    ["backup", "backup-2016-13-01-(02:15:44)", "backup-2016-04-01", "old backup-2016-04-01-(02:15:44)", "success",
     "backup-0001-01-01-(00:00:00)x", "backup-٢٠١٦-04-01-(02:15:44)"],
)  # fmt: skip
def test_other_names_are_no_copies(name: str) -> None:
    assert moment_of(name) is None


def found(root: Path) -> dict[str, str]:
    with opened(root) as repository:
        both = find(others(repository), (), {"adopted"})
        return {one.path: one.left or one.marker if isinstance(one, Copy) else one.what for one in both}


@pytest.mark.parametrize("marker", ["success", "success_compress", "success_compressing", "success_restore"])
def test_each_marker_calls_a_copy_good(root: Path, marker: str) -> None:
    copy = lay(root)
    (copy / "success").rename(copy / marker)
    assert found(root) == {"web 01/backup-2016-04-01-(02:00:00)": marker}


def test_what_is_not_whole_says_why(root: Path) -> None:
    for day in range(1, 6):
        lay(root, day=day)
    copies = sorted((root / "web 01").iterdir())
    (copies[0] / "success").unlink()
    (copies[1] / "web 01.raw").unlink()
    (copies[2] / "web 01.xva").touch()
    (copies[3] / "web 01.raw").rename(copies[3] / "web 01.raw.gz")
    (copies[4] / "success").unlink()
    (copies[4] / "success").symlink_to(copies[4] / "web 01.raw")
    told = list(found(root).values())
    no_marker = "no marker calls it good: it has failed, or is being written"
    assert told == [
        no_marker,
        "there is no image in it",
        "it has 2 images: web 01.raw, web 01.xva",
        "its image was compressed after the export, and no pool takes it so: gunzip it first",
        no_marker,
    ]


def test_strangers_are_told_and_what_is_ours_is_not(root: Path) -> None:
    lay(root)
    (root / "web 01" / "notes.txt").touch()
    (root / "web 01" / "holiday").mkdir()
    (root / "adopted" / "backup-2016-04-01-(02:00:00)").mkdir(parents=True)
    (root / "Fotos").mkdir()
    (root / "METADATA_xen1").mkdir()
    (root / "link").symlink_to(root / "web 01")
    with opened(root) as repository:
        strangers = [one for one in find(others(repository), (), {"adopted"}) if isinstance(one, Stranger)]
    assert {one.path: one.what for one in strangers} == {
        "Fotos": "not a VM's copies",
        "METADATA_xen1": "dumps of the pool database",
        "web 01/holiday": "not a copy",
        "web 01/notes.txt": "not a copy",
    }


def test_a_name_that_is_no_utf_8_is_told_and_left(root: Path) -> None:
    lay(root).parent.rename(root / "caf\udce9")
    assert found(root) == {"caf?/backup-2016-04-01-(02:00:00)": "its name is not UTF-8"}
