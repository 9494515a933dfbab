from dataclasses import replace

import pytest
from tests.core.a_run import a_run

from vmbackup.conformance import reports
from vmbackup.results import Report
from vmbackup.summary import headline, report_text

EXPECTED = """\
weekend on campus-pool: 2 good, 2 failed, 3 warnings

Success: 2   Warnings: 3   Errors: 2
Exit code 3, run 3f9ac0de12345678
2026-03-14 22:00:00 to 2026-03-15 00:05:07 UTC, 2 h 05 min

        VM            method       stored        rate     time  kept  verified
good    PROD-web      vm-export   1.5 GiB  29.7 MiB/s  0:12:03     4    9 days
FAILED  PROD-db       vdi-export        -  83.9 KiB/s  0:01:01     3     never
    store: TargetError: target nas: No space left on device
      → The file system is full.
good    DEV-RH9-büro  vm-export   1.5 GiB  29.7 MiB/s  0:12:03     1     never

Failures of the run
    select: PlanError: no VM is called 'PROD-old'
      → Did you mean 'PROD-web'?

Warnings
    reconcile: VDI_IN_USE: a snapshot of an older run is still in use
    unmake: VDI_IN_USE: DEV-RH9-büro: the snapshot could not be removed yet
    store: TargetError: nas:campus-pool--0d6bb5a4/PROD-db--00000002/20260214T223000Z-77aa\
: target nas: No space left on device
      → The file system is full.

In the pool, and not taken by this job
  printer (00000009-7d2e-4f3a-9c1b-0a1b2c3d4e5f)

Left out on purpose
  scratch (00000008-7d2e-4f3a-9c1b-0a1b2c3d4e5f)

Removed by retention
  nas:campus-pool--0d6bb5a4/PROD-web--00000001/20260214T220000Z-77aa
      number 5, and the last 4 are kept

Free space
  nas: 3.0 TiB before, 2.5 TiB after
"""


@pytest.fixture
def report() -> Report:
    return a_run()


def test_the_whole_text(report: Report) -> None:
    assert report_text(report) == EXPECTED


def test_a_run_that_could_not_begin(report: Report) -> None:
    text = report_text(replace(report, results=(), warnings=(), removals=(), inventory=()))
    assert text.startswith("weekend on campus-pool: 0 good, 1 failed\n")
    assert "rate" not in text
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
    # A line more than usual, for a name so long has one of its own.
    assert len(lines) == len(report_text(replace(report, results=(report.results[1],))).splitlines()) + 1
    assert [line[:6] for line in lines if line[:1].isalpha()].count("good  ") == 0
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 400


def test_a_hostile_pool_stays_in_the_headline(report: Report) -> None:
    pool = replace(report.run.pool, name="a\r\nBcc: everyone@example.edu\r\n\r\nbody" + "x" * 5000)
    line = headline(replace(report, run=replace(report.run, pool=pool)))
    assert line.isprintable()
    assert len(line) < 300


def test_each_target_of_several_has_a_line() -> None:
    lines = report_text(reports()["a run that was good on one target alone"]).splitlines()
    at = lines.index("        VM        method      stored        rate     time  kept  verified")
    assert lines[at + 1 : at + 5] == [
        "partly  web       vm-export           29.7 MiB/s  0:12:03",
        "good      on nas             1.5 GiB                          -         -",
        "FAILED    on usb                   -                          -         -",
        "    prepare: TargetNotProven: another disk is plugged in",
    ]


def test_mirrors_rehearsals_and_space_are_told() -> None:
    shapes = reports()
    mirrored, rehearsed, stocked = (
        report_text(shapes[f"a run {what}"]) for what in ("with mirrors", "with rehearsals", "that took stock")
    )
    assert "\nMirrors\n  offsite: 1 copied, 1.5 GiB; 0 removed; 1 failed\n  tape: 0 copied" in mirrored
    assert "    mirror: TargetError: tape: tape: no route to host\n" in mirrored
    assert "  web: 2 h ago, alive after 18 s\n  db: 2 h ago, FAILED: no sign of life\n" in rehearsed
    assert "  nas: 4.0 TiB before, 2.0 TiB after\n  usb: unknown before, unknown after\n" in stocked


def test_every_report_of_names_of_sane_length_fits_a_terminal() -> None:
    for shape, told in reports().items():
        if "called" not in shape:
            rows = [line for line in report_text(told).splitlines() if line.startswith(("good", "FAILED", "partly"))]
            assert all(len(row) <= 80 for row in rows), shape
