from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.builders import START, backup, vm
from tests.core.stores import ID, local
from tests.core.verify.images import result

from vmbackup.config import Keep
from vmbackup.errors import TargetLost
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.results import Backup, Kept
from vmbackup.stock import free, kept
from vmbackup_targets.local import Local

WEB, DB = vm("web", "11111111-0000-4000-8000-000000000000"), vm("db", "22222222-0000-4000-8000-000000000000")
DAY = timedelta(days=1)


def of_web(days: int, **facts: object) -> Backup:
    return replace(backup(at=START + days * DAY), **facts)  # type: ignore[arg-type]


def test_what_is_kept_of_each_vm_and_when_it_was_read_whole() -> None:
    backups = [
        of_web(1, verified=(result(days=7), result("quick", days=9))),
        of_web(2, verified=(result(days=5),)),
        of_web(3),
        of_web(4, verified=(result(days=8, wrong="damaged"), result(days=6))),
        backup(at=START + 9 * DAY, job="daily"),
        backup(at=START + 9 * DAY, database=True),
    ]
    assert list(kept("nas", "weekend", backups, [WEB, DB], {WEB.uuid: Keep(last=3), DB.uuid: Keep(last=4)})) == [
        Kept("nas", "web", WEB.uuid, 3, START + 3 * DAY, START + 7 * DAY, leaving=START + DAY),
        Kept("nas", "db", DB.uuid, 0),
    ]


class Silent(Local):
    """A target that does not say what is free."""

    said: int | Exception | None = None

    def free(self) -> int | None:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[Silent, Lane]]:
    with local(tmp_path, Silent) as target:
        assert isinstance(target, Silent)
        lane = Lane(Repository(target, ID))
        yield target, lane
        lane.close()


@pytest.mark.parametrize("said", [None, TargetLost("the line is cut"), KeyError("a bug")])
def test_what_is_free_may_be_unknown_and_does_no_harm(said: Exception | None, silent: tuple[Silent, Lane]) -> None:
    target, lane = silent
    target.said = said
    assert free(lane) is None
    target.said = 5
    assert free(lane) == 5
