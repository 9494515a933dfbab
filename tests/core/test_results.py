from dataclasses import replace

import pytest
from tests.core.builders import FAILURE, RUN, backup, report, result
from tests.core.verify.images import result as verified

from vmbackup.errors import (
    BackupError,
    ConfigError,
    ImageError,
    LockHeld,
    LoginRefused,
    PlanError,
    PoolError,
    TargetNotProven,
    Untrusted,
    VerificationFailed,
    VmbackupError,
)
from vmbackup.manifest import LEVELS, Verified
from vmbackup.results import Failure, Outcome, Removal, Report, exit_code

NOTHING_THERE = Failure("plan", "PlanError", "there is no VM 'x' in the pool", exit_code=2)
NOT_PROVEN = Failure("prepare", "TargetNotProven", "not mounted", exit_code=10)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (report(result("a"), result("b")), 0),
        (report(), 0),
        (report(result("a"), result("b", good=False)), 3),
        (report(result("a", good=False), result("b", good=False)), 4),
        (report(result("a"), failures=[NOTHING_THERE]), 3),
        (report(result("a", good=False), failures=[NOTHING_THERE]), 4),
        (report(failures=[NOTHING_THERE]), 4),
        (report(failures=[NOT_PROVEN]), 10),
        (report(result("a"), interrupted=2), 130),
        (report(result("a", good=False), interrupted=15), 143),
        (report(failures=[NOT_PROVEN], interrupted=15), 143),
    ],
)
def test_the_exit_code_of_a_run(told: Report, code: int) -> None:
    assert exit_code(told) == code
    assert exit_code(told, strict=True) == code


def test_warnings_count_only_where_it_is_strict_and_never_hide_a_failure() -> None:
    warning = replace(FAILURE, step="cleanup")
    of_a_vm = report(result("a", warnings=[warning]))
    of_the_run = replace(report(result("a")), warnings=(warning,))
    of_retention = replace(report(result("a")), removals=(Removal("nas", "x", "old", warning),))
    for told in (of_a_vm, of_the_run, of_retention):
        assert told.all_warnings == (warning,)
        assert (exit_code(told), exit_code(told, strict=True)) == (0, 5)
    failed = report(result("a", warnings=[warning]), result("b", good=False))
    assert exit_code(failed, strict=True) == 3


def test_a_removal_that_succeeded_is_no_warning() -> None:
    assert replace(report(result("a")), removals=(Removal("nas", "x", "old"),)).all_warnings == ()


def test_what_failed_and_what_succeeded() -> None:
    told = report(result("a"), result("b", good=False), failures=[NOTHING_THERE])
    assert (told.succeeded, told.failed) == (1, 2)


def test_a_vm_is_good_when_every_target_has_it() -> None:
    good = result("a")
    assert good.good
    assert not replace(good, outcomes=(*good.outcomes, Outcome("disk", failure=FAILURE))).good
    assert not replace(good, outcomes=()).good


def test_one_good_target_of_two_is_some_success() -> None:
    good = result("a")
    half = replace(good, outcomes=(*good.outcomes, Outcome("disk", failure=FAILURE)))
    assert exit_code(report(half)) == 3


@pytest.mark.parametrize(
    ("error", "code", "exits"),
    [
        (PoolError("the SR is full", xapi_code="SR_BACKEND_FAILURE_44"), "SR_BACKEND_FAILURE_44", 4),
        (ImageError("short", position=5), "ImageError", 4),
        (TargetNotProven("not mounted"), "TargetNotProven", 10),
        (PlanError("none"), "PlanError", 2),
        (LockHeld("held"), "LockHeld", 11),
        (Untrusted("other"), "Untrusted", 12),
        (ValueError("odd"), "ValueError", 1),
    ],
)
def test_a_failure_says_what_the_error_says(error: Exception, code: str, exits: int) -> None:
    failure = Failure.of("export", error)
    assert (failure.step, failure.code, failure.exit_code) == ("export", code, exits)
    assert str(error).partition("\n")[0] in failure.message


def test_a_failure_of_a_strange_error_asks_for_a_report() -> None:
    failure = Failure.of("export", KeyError("uuid"))
    assert failure.message == "KeyError: 'uuid'"
    assert "report it" in failure.advice


def test_an_error_shows_its_advice_and_a_failure_keeps_it() -> None:
    error = BackupError("the SR is full", advice="Make room.")
    assert str(error) == "the SR is full\n  Make room."
    assert Failure.of("snapshot", error).advice == "Make room."
    assert Failure.of("snapshot", error).message == "the SR is full"


def test_the_documented_exit_codes() -> None:
    codes = {
        VmbackupError: 1,
        ConfigError: 2,
        BackupError: 4,
        TargetNotProven: 10,
        LockHeld: 11,
        LoginRefused: 12,
        VerificationFailed: 13,
    }
    assert {kind: kind.exit_code for kind in codes} == codes


def test_a_position_in_an_image_is_told() -> None:
    assert "at byte 1,048,576 of the image" in ImageError("bad block", position=1 << 20).message


def test_a_backup_s_address_and_size() -> None:
    assert backup().address == f"nas:web@20260103T020000Z-{RUN.id[:4]}"
    assert backup(database=True).address.startswith("nas:pool-database@")
    assert backup().size == 0


WHOLE, LATER = verified(days=1), verified(days=2)
BAD, WORSE = verified(days=3, wrong="damaged"), verified("quick", days=4, wrong="cut")


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ([], None),
        ([WHOLE], None),
        ([BAD], BAD),
        ([BAD, WHOLE], BAD),
        ([WORSE, BAD, WHOLE], WORSE),
        ([verified("quick", days=5), BAD], BAD),
        ([verified("sample", days=5), verified("quick", days=4), BAD], BAD),
        ([verified(days=5, finished=False), BAD], BAD),
        ([verified(days=5), WORSE, BAD], None),
        ([verified("sample", days=6), verified(days=5), BAD], None),
        ([verified(days=5, wrong="damaged", finished=False), WHOLE], verified(days=5, wrong="damaged", finished=False)),
    ],
)
def test_a_backup_is_marked_from_a_fault_on_until_it_is_read_whole_and_good(
    results: list[Verified], fault: Verified | None
) -> None:
    assert replace(backup(), verified=tuple(results)).fault == fault


def test_what_has_been_proven_and_when() -> None:
    sampled, quick = verified("sample", days=5), verified("quick", days=6)
    there = replace(backup(), verified=(quick, sampled, BAD, LATER, WHOLE))
    assert [there.proven(level) for level in LEVELS] == [quick, sampled, LATER]
    assert [backup().proven(level) for level in LEVELS] == [None, None, None]
    cut = replace(backup(), verified=(verified(finished=False),))
    assert cut.proven("quick") is None
