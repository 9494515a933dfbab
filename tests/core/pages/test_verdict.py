from dataclasses import replace

import pytest
from tests.core.builders import FAILURE, report, result

from vmbackup.pages.verdict import Verdict, of_run, of_vm
from vmbackup.results import Outcome, Report, VMResult

GOOD, BAD = result(), result(good=False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (report(GOOD), Verdict("good", "All good")),
        (report(GOOD, BAD), Verdict("failed", "1 of 2 VMs failed")),
        (report(BAD), Verdict("failed", "1 of 1 VM failed")),
        (report(GOOD, failures=[FAILURE]), Verdict("failed", "1 failure")),
        (report(failures=[FAILURE]), Verdict("failed", "Failed")),
        (report(), Verdict("warned", "Nothing to do")),
        (report(GOOD, interrupted=15), Verdict("failed", "Interrupted by signal 15")),
        (report(result(warnings=[FAILURE, FAILURE])), Verdict("warned", "Good, 2 warnings")),
    ],
)
def test_what_is_said_of_a_run(told: Report, expected: Verdict) -> None:
    assert of_run(told) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (GOOD, Verdict("good", "good")),
        (BAD, Verdict("failed", "failed")),
        (result(warnings=[FAILURE]), Verdict("warned", "good, warned")),
        (replace(GOOD, outcomes=(*GOOD.outcomes, Outcome("usb", failure=FAILURE))), Verdict("failed", "on 1 of 2")),
        (replace(GOOD, outcomes=()), Verdict("failed", "failed")),
    ],
)
def test_what_is_said_of_a_vm(told: VMResult, expected: Verdict) -> None:
    assert of_vm(told) == expected
