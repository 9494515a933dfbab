from dataclasses import replace

import pytest

from vmbackup.conformance import reports
from vmbackup_notifiers.subject import subject

MANY = reports()["a run of many VMs"]
BAD = reports()["a failed run"].results[0]
FOURTEEN = replace(MANY, results=MANY.results[:14])


def test_it_says_what_came_of_a_run() -> None:
    assert subject(FOURTEEN) == "good weekend: 14 of 14 VMs on pool campus"
    failed = replace(FOURTEEN, results=(*FOURTEEN.results[:13], BAD))
    assert subject(failed) == "FAILED weekend: 1 of 14 VMs on pool campus"
    warned = replace(FOURTEEN, warnings=reports()["a run with warnings"].warnings)
    assert subject(warned) == "warnings weekend: 14 of 14 VMs on pool campus"
    stopped = replace(FOURTEEN, results=FOURTEEN.results[:3], inventory=(), interrupted=15)
    assert subject(stopped) == "INTERRUPTED weekend: 3 of 3 VMs good on pool campus"


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ("a run that did not come to its pool", "FAILED weekend: 1 failure of the run on pool campus"),
        ("a run with its inventory", "good weekend: 1 of 1 VMs on pool campus"),
        ("a run that found nothing to do", "good weekend: 0 of 0 VMs on pool campus"),
        ("a run without anything", "good weekend: 0 of 0 VMs"),
        ("a run that was good on one target alone", "FAILED weekend: 1 of 1 VMs on pool campus"),
    ],
)
def test_the_other_shapes_of_a_run(shape: str, line: str) -> None:
    assert subject(reports()[shape]) == line


@pytest.mark.parametrize("shape", reports())
def test_it_is_one_short_line(shape: str) -> None:
    line = subject(reports()[shape])
    assert line.isprintable()
    assert len(line) < 250
