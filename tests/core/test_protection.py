from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import FAILURE, POOL, RUN, START, backup, report
from tests.core.verify.images import result as verified

from vmbackup.manifest import Rehearsed
from vmbackup.protection import Level, Seen, Standing, Status, judge
from vmbackup.results import Backup, Covered, Failure, Report

UUID = "11111111-0000-4000-8000-000000000000"
NOW = START + timedelta(days=100)
WEB = Covered("web", UUID, taken=True)
MAX = timedelta(hours=26)


def run(
    *covered: Covered, hours: float = 2, job: str = "weekend", targets: Sequence[str] = ("nas",), pool: str = POOL.uuid
) -> Report:
    """A run that began so many hours ago."""
    of = replace(RUN, id=f"{job}-{hours}", job=job, started=NOW - timedelta(hours=hours), pool=replace(POOL, uuid=pool))
    return replace(report(), run=of, inventory=covered, targets=tuple(targets))


def made(hours: float = 2, **facts: object) -> Backup:
    own = {key: facts.pop(key) for key in ("target", "job", "pool", "uuid") if key in facts}
    return replace(backup(at=NOW - timedelta(hours=hours), **own), **facts)  # type: ignore[arg-type]


def judged(backups: Sequence[Backup] = (), reports: Sequence[Report] = (run(WEB),), **seen: object) -> Status:
    found = Seen(targets=("nas",), backups=tuple(backups), reports=tuple(reports), jobs=frozenset({"weekend"}))
    return judge(replace(found, **seen), MAX, NOW)  # type: ignore[arg-type]


def sole(status: Status) -> Standing:
    (standing,) = status.standings
    return standing


def test_a_vm_with_a_new_good_backup_is_protected() -> None:
    newest = made(5, verified=(verified(days=99),))
    status = judged([made(30, verified=(verified(days=98.5),)), newest])
    assert sole(status) == Standing(
        vm="web",
        uuid=UUID,
        verdict="protected",
        why="its newest good backup is 5 h old",
        job="weekend",
        newest=newest,
        targets=("nas",),
        verified=START + timedelta(days=99),
    )
    assert (status.level, status.alarms, status.inventory) == (Level.OK, (), NOW - timedelta(hours=2))


WRONG = (verified(days=99.9, wrong="damaged"),)
ELSEWHERE = "22222222-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("backups", "verdict", "why"),
    [
        ([made(26)], "protected", "26 h old"),
        ([made(26.1)], "too old", "its newest good backup is 26 h old"),
        ([made(24 * 9), made(24 * 12)], "too old", "9 days old"),
        ([], "unprotected", "it has no good backup"),
        ([made(2, uuid=ELSEWHERE)], "unprotected", "it has no good backup"),
        ([made(2, pool="another")], "unprotected", "it has no good backup"),
        ([made(-1)], "unprotected", "it has no good backup"),
        ([made(-0.05)], "protected", "0 min old"),
        ([made(2, verified=WRONG)], "damaged", "found wrong, and it has no good backup"),
        ([made(2, verified=WRONG), made(72)], "damaged", "found wrong, and its newest good backup is 3 days old"),
        ([made(2, verified=WRONG), made(4)], "protected", "4 h old"),
        ([made(90, verified=WRONG), made(72)], "too old", "3 days old"),
        ([made(2, job="daily")], "protected", "2 h old"),
    ],
)
def test_verdicts_on_a_vm_that_a_job_takes(backups: list[Backup], verdict: str, why: str) -> None:
    status = judged(backups)
    assert sole(status).verdict == verdict
    assert why in sole(status).why
    assert (status.alarms == ()) == (verdict == "protected")
    assert (status.level is Level.CRITICAL) == (verdict != "protected")


@pytest.mark.parametrize(
    ("covered", "backups", "verdict", "level"),
    [
        (replace(WEB, taken=False), [], "unprotected", Level.CRITICAL),
        (replace(WEB, taken=False), [made(72)], "unprotected", Level.CRITICAL),
        (replace(WEB, taken=False), [made(2)], "protected", Level.WARNING),
        (replace(WEB, taken=False, excluded=True), [], "excluded", Level.OK),
        (replace(WEB, taken=False, excluded=True), [made(72)], "excluded", Level.OK),
        (replace(WEB, taken=False, excluded=True), [made(2, verified=WRONG)], "damaged", Level.CRITICAL),
        (replace(WEB, excluded=True), [made(72)], "too old", Level.CRITICAL),
    ],
)
def test_a_vm_that_nobody_takes_is_told_from_one_that_is_left_out_on_purpose(
    covered: Covered, backups: list[Backup], verdict: str, level: Level
) -> None:
    status = judged(backups, [run(covered)])
    assert (sole(status).verdict, status.level) == (verdict, level)


LEFT = replace(WEB, taken=False)
OUT = replace(LEFT, excluded=True)


def test_what_one_job_does_not_take_another_may() -> None:
    weekly, daily = run(OUT, hours=40), run(WEB, hours=2, job="daily")
    assert sole(judged([made(2)], [weekly, daily])).job == "daily"
    assert sole(judged([made(50)], [weekly, daily])).verdict == "too old"


def test_a_job_that_is_no_more_takes_nothing() -> None:
    gone = run(WEB, hours=900, job="gone")
    assert sole(judged([made(900)], [gone, run(OUT)])).verdict == "excluded"
    assert sole(judged([made(900)], [gone, run(LEFT)])).verdict == "unprotected"
    assert [one.job for one in judged([made(2)], [gone, run(WEB)]).runs] == ["weekend"]
    assert sole(judged([made(900)], [gone], jobs=frozenset())).verdict == "too old"


def test_the_newest_inventory_of_a_pool_says_what_is_in_it() -> None:
    new = Covered("new", ELSEWHERE, taken=False)
    status = judged(
        [made(2)], [run(WEB, Covered("old", "3", taken=True), hours=5), run(WEB, new, job="daily", hours=1)]
    )
    assert [(one.vm, one.verdict) for one in status.standings] == [("new", "unprotected"), ("web", "protected")]


def test_vms_of_two_pools_are_told_apart() -> None:
    status = judged([made(2)], [run(WEB), run(WEB, pool="another")], jobs=frozenset())
    assert [one.verdict for one in status.standings] == ["unprotected", "protected"]


def test_alarms_come_first_and_what_is_left_out_last() -> None:
    covered = [Covered("a", "1", taken=False, excluded=True), WEB, Covered("z", "3", taken=True)]
    status = judged([made(2)], [run(*covered)])
    assert [one.vm for one in status.standings] == ["z", "web", "a"]
    assert [one.vm for one in status.alarms] == ["z"]


@pytest.mark.parametrize(
    ("backups", "note"),
    [
        ([made(3), made(90, target="usb")], "on usb there is no backup of it that is new enough"),
        ([made(3), made(3, target="usb", verified=WRONG)], "was found wrong 2 h ago"),
        ([made(3), made(3, target="usb"), made(-9)], "is dated in the future"),
    ],
)
def test_what_is_wrong_with_a_protected_vm_is_a_warning(backups: list[Backup], note: str) -> None:
    status = judged(backups, [run(WEB, targets=["nas", "usb"])], targets=("nas", "usb"))
    assert sole(status).verdict == "protected"
    assert note in " ".join(sole(status).notes)
    assert status.level is Level.WARNING


def test_a_target_that_was_not_looked_at_is_not_missed() -> None:
    status = judged([made(3)], [run(WEB, targets=["nas", "usb"])])
    assert (sole(status).notes, status.level) == ((), Level.OK)


def rehearsed(days: float, *, good: bool) -> Rehearsed:
    return Rehearsed(
        generation=1,
        backup="x",
        vm=UUID,
        name="web",
        moment=START + timedelta(days=days),
        good=good,
        waited_for="agent",
        step="" if good else "wait",
        message="" if good else "no sign of life",
        written_by="vmbackup 0",
    )


def test_the_newest_rehearsal_counts() -> None:
    good, bad = rehearsed(90, good=True), rehearsed(80, good=False)
    status = judged([made(2)], rehearsals=(bad, good))
    assert (sole(status).rehearsed, status.level) == (good, Level.OK)
    status = judged([made(2)], rehearsals=(good, replace_days(bad, 95)))
    assert sole(status).notes == ("its rehearsal failed 5 days ago: wait: no sign of life",)
    assert status.level is Level.WARNING


def replace_days(told: Rehearsed, days: float) -> Rehearsed:
    return told.model_copy(update={"moment": START + timedelta(days=days)})


def test_who_could_not_be_told_of_the_last_run_is_a_warning() -> None:
    failed = Failure("notifier ops", "NotifyError", "the mail server is away")
    other = Failure("reporter html", "NotifyError", "no room")
    told = replace(run(WEB), warnings=(failed, other, Failure("cleanup", "X", "y")))
    status = judged([made(2)], [told, run(WEB, hours=20, job="daily")])
    assert [(one.job, one.code, one.warnings, one.untold) for one in status.runs] == [
        ("weekend", 0, 3, (failed, other)),
        ("daily", 0, 0, ()),
    ]
    assert status.level is Level.WARNING


def test_a_last_run_that_failed_is_a_warning_while_backups_are_new_enough() -> None:
    failed = replace(run(hours=1), failures=(replace(FAILURE, step="prepare", exit_code=12),))
    status = judged([made(2)], [run(WEB), failed])
    assert [(one.code, one.failed) for one in status.runs] == [(12, 1)]
    assert (sole(status).verdict, status.level) == ("protected", Level.WARNING)


def test_nothing_is_known_without_an_inventory_or_a_target() -> None:
    assert judged([made(2)], []).level is Level.UNKNOWN
    assert judged([made(2)], [run()]).level is Level.UNKNOWN
    for backups in ([made(2)], [made(90)]):
        status = judged(backups, away=(("usb", "not mounted"),))
        assert (status.level, status.away) == (Level.UNKNOWN, (("usb", "not mounted"),))


def test_what_could_not_be_believed_and_an_old_inventory_are_warnings() -> None:
    status = judged([made(2)], unread=("nas:x: its manifest is not to be believed",))
    assert (status.level, status.remarks) == (Level.WARNING, ("nas:x: its manifest is not to be believed",))
    status = judged([made(2)], [run(WEB, hours=72)])
    assert status.remarks == ("the pool was last looked at 3 days ago: newer VMs are not known",)
    assert status.level is Level.WARNING
