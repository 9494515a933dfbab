import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.core.builders import RUN, report, result

from vmbackup.conformance import reports
from vmbackup.results import Report
from vmbackup.spool import MOST, OLDEST, Claim, Spool, Untold

NOW = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
# Claims what is kept for `ops`, says so, and dies without a word when its input ends.
OTHER = """
import os, sys
from pathlib import Path
from vmbackup.spool import Spool

with Spool(Path(sys.argv[1])).claims("ops") as claims:
    print(len(list(claims)), flush=True)
    sys.stdin.read()
    os._exit(9)
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def told(number: int = 0) -> Report:
    return replace(
        report(result()), run=replace(RUN, id=f"{number:016x}", started=RUN.started + timedelta(days=number))
    )


def put(spool: Spool, number: int = 0, label: str = "ops", at: datetime = NOW) -> None:
    spool.put(label, told(number), at).close()


def kept(spool: Spool, label: str = "ops") -> list[Untold]:
    with spool.claims(label) as claims:
        return [claim.kept for claim in claims]


@pytest.mark.parametrize("shape", reports())
def test_a_report_of_any_shape_comes_back_as_it_was(spool: Spool, shape: str) -> None:
    spool.put("ops", reports()[shape], NOW).close()
    assert kept(spool) == [Untold("ops", NOW, reports()[shape])]


def test_what_is_kept_is_its_owner_s_alone(spool: Spool, tmp_path: Path) -> None:
    put(spool)
    (path,) = tmp_path.rglob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_told_is_let_go(spool: Spool, tmp_path: Path) -> None:
    assert spool.labels() == []
    claim = spool.put("ops", told(), NOW)
    put(spool, label="chat")
    assert spool.labels() == ["chat", "ops"]
    claim.let_go()
    assert spool.labels() == ["chat"]
    assert kept(spool) == []


def test_whoever_is_told_already_is_noted_once_and_the_tries_are_counted(spool: Spool) -> None:
    claim = spool.put("ops", told(), NOW)
    claim.keep(("a@example.edu",))
    with spool.claims("ops") as claims:
        next(claims).keep(("b@example.edu", "a@example.edu"))
    assert kept(spool) == [Untold("ops", NOW, told(), 2, ("a@example.edu", "b@example.edu"))]


def test_the_least_tried_come_first_and_of_those_the_oldest(spool: Spool) -> None:
    for number, since in enumerate((3, 1, 2)):
        put(spool, number, at=NOW + timedelta(hours=since))
    with spool.claims("ops") as claims:
        next(claims).keep()
    assert [one.since.hour for one in kept(spool)] == [5, 6, 4]


def test_a_claim_is_one_s_own(spool: Spool) -> None:
    claim = spool.put("ops", told(), NOW)
    assert kept(spool) == []
    claim.keep()
    assert len(kept(spool)) == 1


@contextmanager
def another(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        yield process


def test_another_process_passes_it_over_until_its_holder_is_dead(spool: Spool, tmp_path: Path) -> None:
    put(spool)
    with another(tmp_path) as holder:
        assert kept(spool) == []
        holder.communicate()
    assert len(kept(spool)) == 1


def test_what_somebody_else_has_told_meanwhile_is_not_told_again(spool: Spool) -> None:
    put(spool)
    with spool.claims("ops") as claims:
        mine = next(claims)
        mine.let_go()
        assert kept(spool) == []


def test_what_is_too_old_is_dropped_and_told(spool: Spool) -> None:
    put(spool, 1)
    put(spool, 2, at=NOW + timedelta(hours=1))
    assert spool.expired("ops", NOW + OLDEST) == []
    (dropped,) = spool.expired("ops", NOW + OLDEST + timedelta(minutes=1))
    assert dropped.report == told(1)
    assert [one.report for one in kept(spool)] == [told(2)]


def test_of_what_is_too_much_the_oldest_goes(spool: Spool) -> None:
    for number in range(MOST + 2):
        put(spool, number, at=NOW + timedelta(seconds=number))
    dropped = spool.expired("ops", NOW + timedelta(hours=1))
    assert [one.report for one in dropped] == [told(0), told(1)]
    assert len(kept(spool)) == MOST


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"vmbackup_untold": 2}'])
def test_what_cannot_be_read_stays_until_it_is_too_old(spool: Spool, tmp_path: Path, data: bytes) -> None:
    put(spool)
    strange = tmp_path / "ops" / "20260101T000000Z-00000000.json"
    strange.write_bytes(data)
    assert len(kept(spool)) == 1
    now = datetime.now(UTC)
    assert spool.unreadable("ops", now) == [strange]
    assert strange.exists()
    assert spool.unreadable("ops", now + OLDEST + timedelta(minutes=1)) == [strange]
    assert spool.unreadable("ops", now) == []
    assert len(kept(spool)) == 1


def test_what_a_death_has_left_half_written_goes_with_age(spool: Spool, tmp_path: Path) -> None:
    put(spool)
    half = tmp_path / "ops" / "20260101T000000Z-00000000.new"
    half.write_bytes(b"{")
    now = datetime.now(UTC)
    assert spool.unreadable("ops", now) == []
    assert half.exists()
    assert spool.unreadable("ops", now + OLDEST + timedelta(minutes=1)) == []
    assert not half.exists()


def test_a_claim_can_be_kept_again_and_again(spool: Spool) -> None:
    put(spool)
    for tries in (1, 2, 3):
        with spool.claims("ops") as claims:
            claim: Claim = next(claims)
            claim.keep()
        assert [one.tries for one in kept(spool)] == [tries]
