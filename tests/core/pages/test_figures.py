from dataclasses import replace
from datetime import timedelta

from tests.core.builders import RUN, START, result, stored
from tests.core.builders import report as report_of

from vmbackup.pages.figures import LARGEST, figures, of_one_vm
from vmbackup.results import Report, VMResult
from vmbackup.results import Run as RunOf

GIB = 1 << 30


def sized(name: str, size: int, *, seconds: float = 100, good: bool = True) -> VMResult:
    made = result(name, good=good)
    if good:
        (outcome,) = made.outcomes
        assert outcome.backup
        image = stored("image.xva", b"x").model_copy(update={"size": size})
        manifest = outcome.backup.manifest.model_copy(update={"files": (image,)})
        made = replace(made, outcomes=(replace(outcome, backup=replace(outcome.backup, manifest=manifest)),))
    return replace(made, seconds=seconds, read=2 * size)


def night(number: int, *results: VMResult) -> Report:
    run = RunOf(f"{number:016}", RUN.job, RUN.pool, START + timedelta(days=number))
    return replace(report_of(*results), run=run, finished=run.started + timedelta(hours=1))


def test_each_vm_has_a_series_the_largest_first_and_runs_stand_from_old_to_new() -> None:
    made = figures([night(1, sized("web", 3 * GIB), sized("db", 8 * GIB)), night(0, sized("db", 7 * GIB))])
    assert made.moments == (START, START + timedelta(days=1))
    assert [(one.name, one.values) for one in made.stored] == [
        ("db", (7 * GIB, 8 * GIB)),
        ("web", (None, 3 * GIB)),
    ]
    assert [one.values for one in made.seconds] == [(100, 100), (None, 100)]
    assert made.rates[1].values == (None, 2 * 3 * GIB / 100)


def test_many_vms_are_the_largest_and_the_others_as_one() -> None:
    many = [sized(f"vm{number}", (number + 1) * GIB) for number in range(LARGEST + 3)]
    made = figures([night(0, *many)])
    assert [one.name for one in made.stored] == ["vm7", "vm6", "vm5", "vm4", "vm3", "3 others"]
    others = [list(series[-1].values) for series in (made.stored, made.seconds, made.rates)]
    assert others == [[6 * GIB], [300], [2 * 6 * GIB / 300]]


def test_one_more_than_the_largest_keeps_its_name() -> None:
    made = figures([night(0, *(sized(f"vm{number}", (number + 1) * GIB) for number in range(LARGEST + 1)))])
    assert made.stored[-1].name == "vm0"


def test_a_backup_that_failed_leaves_a_gap() -> None:
    made = figures([night(0, sized("web", GIB)), night(1, sized("web", GIB, good=False)), night(2, sized("web", GIB))])
    assert list(made.stored[0].values) == [GIB, None, GIB]
    assert list(made.rates[0].values)[1] is None


def test_a_renamed_vm_is_one_series_under_its_last_name() -> None:
    renamed = replace(sized("web", GIB), vm="web-old")
    made = figures([night(1, sized("web", GIB)), night(0, renamed)])
    assert [one.name for one in made.stored] == ["web"]


def test_no_runs_have_no_figures() -> None:
    assert figures([]).stored == ()


def test_the_runs_of_one_vm_tell_of_nothing_else() -> None:
    web, db = sized("web", GIB), sized("db", GIB, good=False)
    both = replace(night(0, web, db), interrupted=15)
    (only,) = of_one_vm([both, night(1, db)], web.uuid)
    assert only.results == (web,)
    assert not only.failed
    assert only.interrupted is None
