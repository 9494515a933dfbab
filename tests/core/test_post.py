from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.core.builders import RUN, report, result, vm

from vmbackup.config import NotifierRules
from vmbackup.containment import Contained, Ended
from vmbackup.contracts import Notifier
from vmbackup.errors import ConfigError, Interrupted, NotifyError
from vmbackup.post import Post
from vmbackup.results import Failure, Report, Run
from vmbackup.settings import NoSettings, Settings
from vmbackup.spool import OLDEST, Spool
from vmbackup.state import State

GOOD = report(result("web"), result("db"))
FAILED = report(result("web"), result("db", good=False))


class Tell(Notifier[Settings]):
    """Keeps what it is told; the next calls raise `errors`, until there is none left."""

    name = "tell"

    def __init__(self, label: str = "ops", *errors: BaseException) -> None:
        super().__init__(label, NoSettings())
        self.errors = list(errors)
        self.told: list[str] = []
        self.began: list[str] = []

    def started(self, run: Run) -> None:
        self.began.append(run.job)

    def notify(self, report: Report) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(report.run.id)

    def notify_rest(self, report: Report, told: tuple[str, ...]) -> None:
        self.told.append(f"{report.run.id} without {', '.join(told)}")


class Odd(NotifyError):
    """A stranger's error, made otherwise."""

    def __init__(self, **_: object) -> None:
        self.message, self.advice = "odd", ""


def call(_plugin: str, who: str, tell: Callable[[], object]) -> Ended[object] | None:
    return Contained(60).call(who, tell)


class Runs:
    """Runs of a job with these notifiers, in one state folder."""

    def __init__(self, folder: Path, *notifiers: Tell, **rules: object) -> None:
        self.state = State(folder)
        self.notifiers = [(notifier, NotifierRules.model_validate(rules)) for notifier in notifiers]
        self.others: dict[str, Tell] = {}

    def post(self) -> Post:
        return Post(self.state, self.notifiers, self.find)

    def find(self, label: str) -> Notifier[Settings]:
        if label not in self.others:
            raise ConfigError(f"there is no notifier {label}")
        return self.others[label]

    def over(self, number: int, told: Report = GOOD, vms: tuple[str, ...] = ("web", "db")) -> list[Failure]:
        """End a run, and return what went wrong in telling."""
        post = self.post()
        for name in vms:
            post.vm_started(vm(name, tags=[f"of-{name}"]))
        return list(post.run_finished(replace(told, run=replace(told.run, id=str(number))), call))

    def kept(self, label: str = "ops") -> list[str]:
        with Spool(self.state.spool).claims(label) as claims:
            return [claim.kept.report.run.id for claim in claims]


def down(**more: Any) -> NotifyError:
    return NotifyError("the server is down", advice="Wait.", **more)


def test_a_run_is_told_and_nothing_is_kept(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell)
    assert runs.over(1) == []
    assert (tell.told, runs.kept()) == (["1"], [])


def test_what_cannot_be_told_is_kept_and_said_and_told_after_the_next_run(tmp_path: Path) -> None:
    tell = Tell("ops", down())
    runs = Runs(tmp_path, tell)
    assert runs.over(1) == [
        Failure("notifier ops", "NotifyError", "the server is down; it is kept for the next run", "Wait.")
    ]
    assert runs.kept() == ["1"]
    assert runs.over(2) == []
    assert (tell.told, runs.kept()) == (["2", "1"], [])
    assert runs.over(3) == []
    assert tell.told == ["2", "1", "3"]


def test_while_nobody_can_be_told_all_of_it_is_kept_and_only_one_is_tried(tmp_path: Path) -> None:
    tell = Tell("ops", *(down() for _ in range(3)))
    runs = Runs(tmp_path, tell)
    assert [len(runs.over(number)) for number in (1, 2, 3)] == [1, 1, 1]
    assert (tell.errors, sorted(runs.kept())) == ([], ["1", "2", "3"])
    assert runs.over(4) == []
    assert tell.told[0] == "4"
    assert sorted(tell.told) == ["1", "2", "3", "4"]


def test_one_that_is_never_taken_does_not_hold_the_others_up(tmp_path: Path) -> None:
    class Picky(Tell):
        def notify(self, report: Report) -> None:
            if report.run.id == "1":
                raise NotifyError("too large")
            super().notify(report)

    tell = Picky("ops")
    runs = Runs(tmp_path, tell)
    runs.over(1)
    tell.errors = [down()]
    runs.over(2)
    (failure,) = runs.over(3)
    assert "too large" in failure.message
    assert len(runs.over(4)) == 1, "it comes last now"
    assert (sorted(tell.told), runs.kept()) == (["2", "3", "4"], ["1"])


def test_a_run_of_another_job_tells_what_was_kept(tmp_path: Path) -> None:
    tell, other = Tell("ops", down()), Tell("chat")
    Runs(tmp_path, tell).over(1)
    runs = Runs(tmp_path, other)
    assert runs.over(2) == []
    assert runs.kept() == ["1"], "the configuration has no such notifier now"
    runs.others = {"ops": tell}
    assert runs.over(3) == []
    assert (tell.told, other.told, runs.kept()) == (["1"], ["2", "3"], [])


@pytest.mark.parametrize("error", [down(told=["a", "b"]), down(told=["a"])])
def test_who_was_reached_is_not_told_again(tmp_path: Path, error: NotifyError) -> None:
    tell = Tell("ops", error)
    runs = Runs(tmp_path, tell)
    runs.over(1)
    runs.over(2)
    assert tell.told == ["2", f"1 without {', '.join(error.told)}"]


@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(3), Odd(), down(told=[1, None]), ConfigError("no such file")]
)
def test_whatever_it_raises_the_report_is_kept(tmp_path: Path, error: BaseException) -> None:
    runs = Runs(tmp_path, Tell("ops", error))
    (failure,) = runs.over(1)
    assert failure.message.endswith("; it is kept for the next run")
    assert runs.kept() == ["1"]


def test_an_interruption_loses_nothing(tmp_path: Path) -> None:
    first, second = Tell("a"), Tell("b")
    runs = Runs(tmp_path, first, second)

    def stopped(_plugin: str, _who: str, _tell: Callable[[], object]) -> Ended[object] | None:
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        list(runs.post().run_finished(GOOD, stopped))
    assert (runs.kept("a"), runs.kept("b")) == ([RUN.id], [RUN.id])
    runs.over(2)
    assert (first.told, second.told) == (["2", RUN.id], ["2", RUN.id])


def test_what_hangs_is_kept(tmp_path: Path) -> None:
    runs = Runs(tmp_path, Tell())
    (failure,) = list(runs.post().run_finished(GOOD, lambda *_: None))
    assert failure.code == "Hangs"
    assert runs.kept() == [RUN.id]


def test_without_a_folder_to_keep_it_in_it_is_told_all_the_same(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell)
    (tmp_path / "spool" / "ops").write_bytes(b"no folder")
    (failure,) = runs.over(1)
    assert "cannot keep" in failure.message
    assert tell.told == ["1"]


def test_what_is_kept_for_too_long_is_dropped_and_told(tmp_path: Path) -> None:
    runs = Runs(tmp_path, Tell())
    Spool(runs.state.spool).put("gone", GOOD, datetime.now(UTC) - OLDEST - timedelta(minutes=1)).close()
    (failure,) = runs.over(1)
    assert failure.step == "notifier gone"
    assert "the report of weekend, 2026-01-03 02:00 UTC, was dropped" in failure.message
    assert runs.over(2) == []


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    runs = Runs(tmp_path, Tell("ops", down()))
    runs.over(1)
    (path,) = (tmp_path / "spool" / "ops").iterdir()
    path.write_text("{}")
    (failure,) = runs.over(2)
    assert str(path) in failure.message


def test_a_notifier_hears_of_the_start(tmp_path: Path) -> None:
    tell = Tell()
    assert list(Runs(tmp_path, tell).post().run_started(RUN, call)) == []
    assert tell.began == ["weekend"]


def test_a_start_that_cannot_be_told_is_a_warning_and_not_kept(tmp_path: Path) -> None:
    class Fails(Tell):
        def started(self, run: Run) -> None:
            raise down()

    runs = Runs(tmp_path, Fails())
    (failure,) = runs.post().run_started(RUN, call)
    assert (failure.step, failure.message) == ("start for notifier ops", "the server is down")
    assert runs.kept() == []


def test_another_job_s_runs_are_neither_begun_nor_told(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, jobs=["nightly"])
    assert list(runs.post().run_started(RUN, call)) == []
    assert runs.over(1) == []
    assert (tell.began, tell.told) == ([], [])


@pytest.mark.parametrize(
    ("vms", "told"),
    [(["db"], ["2"]), (["web"], []), (["tag:of-db"], ["2"]), (["tag:of-web"], []), (["d*", "w*"], ["2"]), (["x"], [])],
)
def test_some_vms_alone(tmp_path: Path, vms: list[str], told: list[str]) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, vms=vms, when="failure")
    runs.over(1)
    runs.over(2, FAILED)
    assert tell.told == told


def test_changes_alone_also_where_the_change_could_not_be_told_at_once(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, when="change")
    runs.over(1)
    runs.over(2)
    tell.errors = [down()]
    runs.over(3, FAILED)
    runs.over(4, FAILED)
    assert tell.told == ["1", "3"], "4 is no change, and tells what was kept"
    runs.over(5)
    assert tell.told == ["1", "3", "5"]


def test_a_change_is_one_of_the_same_job(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, when="change")
    runs.over(1, FAILED)
    runs.over(2, replace(FAILED, run=replace(RUN, job="nightly")))
    runs.over(3, FAILED)
    assert tell.told == ["1", "2"]


def test_a_run_that_is_not_about_its_vms_does_not_count_for_a_change(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, when="change", vms=["db"])
    runs.over(1, FAILED)
    runs.over(2, report(result("web")), vms=("web",))
    runs.over(3, FAILED)
    assert tell.told == ["1"]


def test_verdicts_that_cannot_be_kept_are_a_warning(tmp_path: Path) -> None:
    tell = Tell()
    runs = Runs(tmp_path, tell, when="change")
    (tmp_path / "verdicts").write_bytes(b"no folder")
    (failure,) = runs.over(1)
    assert failure.step == "notify"
    assert tell.told == ["1"]
