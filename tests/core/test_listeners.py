import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.core.builders import FAILURE, RUN, backup, report, result, vm

from vmbackup.config import NotifierRules
from vmbackup.contracts import Notifier, Past, Reporter
from vmbackup.errors import BackupError, ConfigError, Interrupted
from vmbackup.hooks import Hooks
from vmbackup.listeners import Listeners
from vmbackup.post import Post
from vmbackup.registry import Registry
from vmbackup.results import Report
from vmbackup.settings import NoSettings, Settings
from vmbackup.state import State

Bring = Callable[..., str]

HEARS = """
heard = []
@hookimpl
def vmbackup_run_started(run):
    heard.append(("run_started", run))
@hookimpl
def vmbackup_vm_started(vm, run):
    heard.append(("vm_started", run, vm))
@hookimpl
def vmbackup_backup_stored(backup):
    heard.append(("backup_stored", backup))
@hookimpl
def vmbackup_vm_finished(run, result):
    heard.append(("vm_finished", run, result))
@hookimpl
def vmbackup_run_finished():
    heard.append(("run_finished",))
"""
RAISES = "@hookimpl\ndef {moment}():\n    raise {error}\n"


class Order:
    """Who was told, in which order, and what."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.reports: list[Report] = []


class Write(Reporter[Settings]):
    """Writes down that it was told, and may fail."""

    name = "write"

    def __init__(self, label: str, order: Order, error: BaseException | None = None) -> None:
        super().__init__(label, NoSettings())
        self.order = order
        self.error = error

    def write(self, report: Report) -> None:
        self.order.told.append(self.label)
        self.order.reports.append(report)
        if self.error:
            raise self.error


class Tell(Notifier[Settings]):
    """Writes down that it was told, and may fail."""

    name = "tell"

    def __init__(self, label: str, order: Order, error: BaseException | None = None) -> None:
        super().__init__(label, NoSettings())
        self.order = order
        self.error = error

    def notify(self, report: Report) -> None:
        self.order.told.append(self.label)
        if self.error:
            raise self.error


def strangers() -> Registry:
    points = entry_points(group="vmbackup")
    return Registry(point for point in points if point.dist and point.dist.name.startswith("listener"))


ToldBy = Callable[..., Listeners]


def listeners_of(
    state: Path,
    reporters: Iterable[Reporter[Settings]] = (),
    notifiers: Iterable[Notifier[Settings]] = (),
    patience: float = 60,
) -> Listeners:
    """Make the listeners of a job with these reporters and notifiers, beside the strangers."""

    def find(label: str) -> Notifier[Settings]:
        raise ConfigError(f"there is no {label}")

    told = [(notifier, NotifierRules()) for notifier in notifiers]
    return Listeners(strangers(), reporters, Post(State(state), told, find), Hooks((), "weekend"), patience)


@pytest.fixture
def told_by(tmp_path: Path) -> ToldBy:
    return partial(listeners_of, tmp_path / "state")


def heard(module: str) -> list[Any]:
    told: list[Any] = import_module(module).heard
    return told


def tell_everything(listeners: Listeners) -> Report:
    listeners.run_started(RUN)
    listeners.vm_started(RUN, vm())
    listeners.backup_stored(RUN, backup(), None)
    listeners.vm_finished(RUN, result())
    return listeners.run_finished(report(result()))


def test_everyone_hears_each_moment_with_what_it_asks_for(bring: Bring, told_by: ToldBy) -> None:
    module = bring("listener-a", HEARS)
    after = tell_everything(told_by())
    assert heard(module) == [
        ("run_started", RUN),
        ("vm_started", RUN, vm()),
        ("backup_stored", backup()),
        ("vm_finished", RUN, result()),
        ("run_finished",),
    ]
    assert after == report(result())


class Curious(Write):
    """Asks for the earlier runs."""

    def meet(self, past: Past) -> None:
        self.order.told.append(f"{self.label} meets")
        self.past = past

    def write(self, report: Report) -> None:
        super().write(report)
        self.order.reports += self.past()


def test_a_reporter_is_given_the_way_to_earlier_runs_before_it_writes(told_by: ToldBy) -> None:
    order = Order()
    earlier = report(result("old"))
    after = told_by([Curious("html", order)]).run_finished(report(), lambda: [earlier])
    assert order.told == ["html meets", "html"]
    assert order.reports == [after, earlier]


def test_what_goes_wrong_in_meeting_is_told_and_the_report_is_written_all_the_same(told_by: ToldBy) -> None:
    class Shy(Write):
        """Cannot meet."""

        def meet(self, past: Past) -> None:
            raise ValueError("not today")

    order = Order()
    after = told_by([Shy("html", order)]).run_finished(report())
    assert order.told == ["html"]
    assert [warning.step for warning in after.warnings] == ["meeting of reporter html"]


MOMENTS = ["run_started", "vm_started", "backup_stored", "vm_finished", "run_finished"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("error", ["ValueError('not today')", "SystemExit('not today')"])
def test_one_that_raises_is_named_and_all_others_are_told(
    bring: Bring, moment: str, error: str, told_by: ToldBy
) -> None:
    first = bring("listener-a", HEARS)
    bring("listener-b", RAISES.format(moment=f"vmbackup_{moment}", error=error))
    last = bring("listener-c", HEARS)
    after = tell_everything(told_by())
    assert [told[0] for told in heard(first)] == MOMENTS
    assert [told[0] for told in heard(last)] == MOMENTS
    (warning,) = after.warnings
    assert f"vmbackup_{moment}" in warning.step
    assert "listener-b" in warning.step
    assert "not today" in warning.message
    assert after.results == (result(),)


def test_reporters_are_told_before_notifiers_each_in_the_job_s_order(bring: Bring, told_by: ToldBy) -> None:
    order = Order()
    module = bring("listener-a", HEARS)
    reporters, notifiers = [Write("z", order), Write("a", order)], [Tell("y", order), Tell("b", order)]
    told_by(reporters, notifiers).run_finished(report())
    assert order.told == ["z", "a", "y", "b"]
    assert heard(module) == [("run_finished",)]


@pytest.mark.parametrize("error", [BackupError("full", advice="Make room."), KeyError("x"), SystemExit(3)])
def test_reporters_and_notifiers_that_raise_cost_the_others_nothing(error: BaseException, told_by: ToldBy) -> None:
    order = Order()
    listeners = told_by(
        [Write("html", order, error), Write("json", order)],
        [Tell("mail", order, error), Tell("chat", order)],
    )
    after = listeners.run_finished(report(result()))
    assert order.told == ["html", "json", "mail", "chat"]
    assert [warning.step for warning in after.warnings] == ["reporter html", "notifier mail"]
    assert ["kept for the next run" in warning.message for warning in after.warnings] == [False, True]
    assert after.succeeded == 1


def test_what_went_wrong_during_the_run_is_in_the_report_that_is_told(bring: Bring, told_by: ToldBy) -> None:
    order = Order()
    bring("listener-a", RAISES.format(moment="vmbackup_vm_started", error="OSError('no')"))
    listeners = told_by([Write("html", order)])
    listeners.vm_started(RUN, vm())
    listeners.vm_started(RUN, vm())
    before = replace(report(result()), warnings=(FAILURE,))
    after = listeners.run_finished(before)
    assert len(after.warnings) == 3
    assert order.reports == [after]


@pytest.fixture
def interruptible() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


class Slow(Write):
    """Has the run interrupted, and goes on until it is told not to."""

    over = threading.Event()

    def write(self, report: Report) -> None:
        super().write(report)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.over.wait(60)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_is_never_kept_back_and_nobody_waits_for_who_is_being_told(told_by: ToldBy) -> None:
    order = Order()
    slow = Slow("html", order)
    listeners = told_by([slow])
    with pytest.raises(Interrupted):
        listeners.run_finished(report())
    listeners.run_finished(report())
    assert order.told == ["html"]
    slow.over.set()


def test_what_a_listener_returns_is_nothing_or_a_warning(bring: Bring, told_by: ToldBy) -> None:
    bring("listener-a", "@hookimpl\ndef vmbackup_vm_started():\n    return {'rubbish': object()}\n")
    (warning,) = tell_everything(told_by()).warnings
    assert warning.step == "vmbackup_vm_started of listener-a:main"
    assert warning.message == "it has returned a dict, which nobody takes"


def test_one_that_hangs_is_left_behind_and_not_called_again(bring: Bring, told_by: ToldBy) -> None:
    module = bring("listener-a", HANGS)
    last = bring("listener-b", HEARS)
    listeners = told_by(patience=0.2)
    after = tell_everything(listeners)
    (warning,) = after.warnings
    assert warning.step == "vmbackup_vm_started of listener-a:main"
    assert warning.message == "it has not returned for 0.2 s, and was left behind"
    assert [told[0] for told in heard(last)] == MOMENTS
    assert heard(module) == ["vm_started"], "nothing after what hangs"
    import_module(module).over.set()


HANGS = """
import threading
heard, over = [], threading.Event()
@hookimpl
def vmbackup_vm_started():
    heard.append("vm_started")
    over.wait(60)
@hookimpl
def vmbackup_vm_finished():
    heard.append("vm_finished")
"""


def test_plugins_are_told_on_one_thread_that_is_not_the_main_one(bring: Bring, told_by: ToldBy) -> None:
    module = bring(
        "listener-a",
        "import threading\nheard = []\n"
        "@hookimpl\ndef vmbackup_run_started():\n    heard.append(threading.current_thread())\n"
        "@hookimpl\ndef vmbackup_vm_started():\n    heard.append(threading.current_thread())\n",
    )
    tell_everything(told_by())
    first, second = heard(module)
    assert first is second
    assert first is not threading.main_thread()
