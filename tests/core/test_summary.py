from dataclasses import replace

import pytest
from tests.core.a_run import a_run

from vmbackup.results import Report
from vmbackup.summary import headline, report_text

EXPECTED = """\
weekend on campus-pool: 2 good, 2 failed, 3 warnings

Success: 2   Warnings: 3   Errors: 2
Exit code 3, run 3f9ac0de12345678
2026-03-14 22:00:00 to 2026-03-15 00:05:07 UTC, 2 h 05 min

Virtual machines
  good   PROD-web: vm-export, 1.5 GiB stored of 21.0 GiB read, 12 min 03 s, \
at nas:campus-pool--0d6bb5a4/PROD-web--00000001/20260314T223000Z-3f9a
  FAILED PROD-db: vdi-export, 5.0 MiB read, 1 min 01 s, on nas
    store: TargetError: target nas: No space left on device
      → The file system is full.
  good   DEV-RH9-büro: vm-export, 1.5 GiB stored of 21.0 GiB read, 12 min 03 s, \
at nas:campus-pool--0d6bb5a4/DEV-RH9-bro--00000003/20260314T233000Z-3f9a

Failures of the run
    select: PlanError: no VM is called 'PROD-old'
      → Did you mean 'PROD-web'?

Warnings
    reconcile: VDI_IN_USE: a snapshot of an older run is still in use
    unmake: VDI_IN_USE: the snapshot could not be removed yet
    store: TargetError: target nas: No space left on device
      → The file system is full.

Removed by retention
  nas:campus-pool--0d6bb5a4/PROD-web--00000001/20260214T220000Z-77aa: keep.last = 4

In the pool, and taken by no job
  printer (00000009-7d2e-4f3a-9c1b-0a1b2c3d4e5f)
"""


@pytest.fixture
def report() -> Report:
    return a_run()


def test_the_whole_text(report: Report) -> None:
    assert report_text(report) == EXPECTED


def test_a_run_that_could_not_begin(report: Report) -> None:
    text = report_text(replace(report, results=(), warnings=(), removals=(), inventory=()))
    assert text.startswith("weekend on campus-pool: 0 good, 1 failed\n")
    assert "Virtual machines" not in text
    assert "PlanError" in text


def test_an_interruption_is_said(report: Report) -> None:
    text = report_text(replace(report, interrupted=15))
    assert "interrupted" in text.partition("\n")[0]
    assert "signal 15" in text
    assert "Exit code 143" in text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_hostile_name_stays_in_its_line(report: Report, end: str) -> None:
    name = f"web{end}  good   PROD-db: all is well\x1b[2J\u202e{'x' * 5000}"
    hostile = replace(report.results[1], vm=name)
    lines = report_text(replace(report, results=(hostile,))).splitlines()
    assert len(lines) == len(report_text(replace(report, results=(report.results[1],))).splitlines())
    assert not any(line.startswith("  good") for line in lines)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 400


def test_a_hostile_pool_stays_in_the_headline(report: Report) -> None:
    pool = replace(report.run.pool, name="a\r\nBcc: everyone@example.edu\r\n\r\nbody" + "x" * 5000)
    line = headline(replace(report, run=replace(report.run, pool=pool)))
    assert line.isprintable()
    assert len(line) < 300
