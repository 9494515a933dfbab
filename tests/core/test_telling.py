from dataclasses import replace

import pytest
from tests.core.builders import FAILURE, report, result, vm

from vmbackup.config import NotifierRules
from vmbackup.results import Mirrored, Removal, Report
from vmbackup.telling import Verdict, is_told, verdict_of

WEB, DB = vm("web").uuid, vm("db").uuid
GOOD = report(result("web"), result("db"))
WARNED = report(result("web", warnings=[FAILURE]), result("db"))
FAILED = report(result("web"), result("db", good=False))


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (GOOD, Verdict("good")),
        (report(), Verdict("good")),
        (WARNED, Verdict("warnings")),
        (replace(GOOD, warnings=(FAILURE,)), Verdict("warnings")),
        (replace(GOOD, removals=(Removal("nas", "a", "x", FAILURE),)), Verdict("warnings")),
        (replace(GOOD, removals=(Removal("nas", "a", "x"),)), Verdict("good")),
        (replace(GOOD, mirrored=(Mirrored("tape", "", "reached", failure=FAILURE),)), Verdict("warnings")),
        (FAILED, Verdict("failed", (DB,))),
        (replace(GOOD, failures=(FAILURE, FAILURE)), Verdict("failed", ("export: SR_BACKEND_FAILURE_44",))),
        (replace(FAILED, failures=(FAILURE,)), Verdict("failed", (DB, "export: SR_BACKEND_FAILURE_44"))),
        (replace(GOOD, interrupted=15), Verdict("interrupted")),
        (replace(FAILED, interrupted=2), Verdict("interrupted", (DB,))),
    ],
)
def test_the_verdict_of_a_run(told: Report, verdict: Verdict) -> None:
    assert verdict_of(told) == verdict
    assert verdict.result == told.result


def test_which_vm_failed_first_is_the_same_to_who_compares() -> None:
    one, other = (
        report(result("web", good=False), result("db", good=False)),
        report(result("db", good=False), result("web", good=False)),
    )
    assert verdict_of(one) == verdict_of(other)


@pytest.mark.parametrize(
    ("told", "vms", "verdict"),
    [
        (FAILED, {DB}, Verdict("failed", (DB,))),
        (FAILED, {WEB}, Verdict("good")),
        (WARNED, {DB}, Verdict("good")),
        (WARNED, {WEB}, Verdict("warnings")),
        (FAILED, {"another"}, None),
        (GOOD, set[str](), None),
        (replace(GOOD, failures=(FAILURE,)), {"another"}, Verdict("failed", ("export: SR_BACKEND_FAILURE_44",))),
        (replace(GOOD, interrupted=15), {"another"}, Verdict("interrupted")),
        (replace(FAILED, warnings=(FAILURE,)), {WEB}, Verdict("warnings")),
    ],
)
def test_a_run_is_judged_by_some_vms_alone_and_by_what_concerns_all(
    told: Report, vms: set[str], verdict: Verdict | None
) -> None:
    assert verdict_of(told, vms) == verdict


TOLD = {
    "always": {"good", "warnings", "failed", "interrupted"},
    "problem": {"warnings", "failed", "interrupted"},
    "failure": {"failed", "interrupted"},
}


@pytest.mark.parametrize("result", ["good", "warnings", "failed", "interrupted"])
@pytest.mark.parametrize("when", TOLD)
def test_when_a_run_is_told(when: str, result: str) -> None:
    rules = NotifierRules.model_validate({"when": when})
    assert is_told(rules, Verdict(result), None) == (result in TOLD[when])  # type: ignore[arg-type]
    others = {"good", "warnings", "failed", "interrupted"} - {result}
    assert not is_told(rules.model_copy(update={"results": tuple(others)}), Verdict(result), None)  # type: ignore[arg-type]
    only = rules.model_copy(update={"results": (result,)})
    assert is_told(only, Verdict(result), None) == (result in TOLD[when])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "now", "told"),
    [
        (None, Verdict("good"), True),
        (Verdict("good"), Verdict("good"), False),
        (Verdict("good"), Verdict("warnings"), True),
        (Verdict("failed", (DB,)), Verdict("failed", (DB,)), False),
        (Verdict("failed", (DB,)), Verdict("failed", (WEB,)), True),
        (Verdict("failed", (DB,)), Verdict("good"), True),
    ],
)
def test_a_change_is_another_result_or_another_vm_that_failed(
    last: Verdict | None, now: Verdict, *, told: bool
) -> None:
    assert is_told(NotifierRules(when="change"), now, last) is told
