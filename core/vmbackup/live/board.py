"""Keeps what has come of a run so far; a picture can be taken of it at any moment, from any thread."""

import os
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime

from vmbackup.live.course import Course
from vmbackup.live.picture import Picture, Row, State
from vmbackup.plan import Plan, Task
from vmbackup.results import Failure, Report, Run, VMResult, exit_code
from vmbackup.stages import Stages, slowest
from vmbackup.watch import Nobody

# What a picture holds of VMs that are done, of those that wait, and of what was said: it stays small with any plan.
ROWS = 200
SAID = 20


class Board(Nobody):
    """What is known of a run."""

    def __init__(self, *, strict: bool = False) -> None:
        """`strict` is whether warnings become an exit code."""
        self._strict = strict
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._began = 0.0
        self._planned = False
        self._doing = "begin"
        self._waiting: dict[str, Task] = {}
        self._courses: dict[str, Course] = {}
        self._done: deque[Row] = deque(maxlen=ROWS)
        self._counts: Counter[State] = Counter()
        self._spent: Counter[tuple[str, str]] = Counter()
        self._sums = _Sums()
        self._warnings = 0
        self._said: deque[str] = deque(maxlen=SAID)
        self._report: Report | None = None
        self._seconds: float | None = None

    def began(self, run: Run) -> None:
        """A run there is."""
        with self._lock:
            self._run, self._began = run, time.monotonic()

    def planned(self, plan: Plan) -> None:
        """All VMs wait."""
        with self._lock:
            self._waiting = {task.vm.uuid: task for task in plan.tasks}
            self._planned = True
            self._doing = ""
            self._said.extend(f"problem: {problem.message}" for problem in plan.problems)

    def step(self, task: Task, name: str) -> None:
        """The first step takes the VM out of those that wait."""
        with self._lock:
            self._waiting.pop(task.vm.uuid, None)
            self._course(task).step = name

    def streaming(self, task: Task, stages: Stages) -> None:
        """Keep the clocks to look at; those of an attempt that failed count for the run, too."""
        with self._lock:
            course = self._course(task)
            self._spent.update(course.spent)
            self._sums.lost += course.read
            course.stream(stages)

    def sent(self, task: Task, size: int) -> None:
        """Count; this is what is called most, and from one thread alone."""
        if course := self._courses.get(task.vm.uuid):
            course.read += size

    def vm_done(self, result: VMResult) -> None:
        """Say how it ended, and in what."""
        with self._lock:
            self._waiting.pop(result.uuid, None)
            course = self._courses.pop(result.uuid, None)
            row = _ended(result, course)
            self._counts[row.state] += 1
            self._done.append(row)
            if course:
                self._spent.update(course.spent)
                self._sums.add(row)
            self._warnings += len(result.warnings)

    def doing(self, what: str) -> None:
        """Something that is about no VM."""
        with self._lock:
            self._doing = what

    def warned(self, warning: Failure) -> None:
        """Keep the last few."""
        with self._lock:
            self._said.append(f"warning: {warning.step}: {warning.message}")
            self._warnings += 1

    def finished(self, report: Report) -> None:
        """Nothing changes any more."""
        with self._lock:
            self._seconds = time.monotonic() - self._began
            self._report = report

    def _course(self, task: Task) -> Course:
        if task.vm.uuid not in self._courses:
            self._courses[task.vm.uuid] = Course(task)
        return self._courses[task.vm.uuid]

    def picture(self) -> Picture | None:
        """Take a picture; there is none before the run has begun."""
        with self._lock:
            if self._run is None:
                return None
            now = [course.row() for course in self._courses.values()]
            waiting = list(self._waiting.values())
            counts: dict[State, int] = {"waiting": len(waiting), "under way": len(now), **self._counts}
            rows = [*self._done, *now, *(_to_come(task) for task in waiting[:ROWS])]
            spent = self._spent.copy()
            for course in self._courses.values():
                spent.update(course.spent)
            report, sums = self._report, self._sums
            seconds = self._seconds if self._seconds is not None else time.monotonic() - self._began
            read = sums.read + sum(row.read for row in now)
            rate = (read + sums.lost) / seconds if seconds > 0 else 0.0
            missing = sum(max(0, sums.likely(row.estimate) - row.read) for row in now)
            missing += sums.likely(sum(task.estimate for task in waiting))
            return Picture(
                job=self._run.job,
                run=self._run.id,
                process=os.getpid(),
                started=self._run.started,
                seconds=seconds,
                doing=self._doing,
                planned=self._planned,
                rows=tuple(rows),
                counts=counts,
                read=read,
                estimate=sums.estimate + sum(row.estimate for row in now) + sum(task.estimate for task in waiting),
                rate=rate,
                left=missing / rate if rate > 0 and missing > 0 else None,
                slowest=slowest({}, spent),
                warnings=len(report.all_warnings) if report else self._warnings,
                said=tuple(self._said),
                ended=datetime.now(UTC) if report else None,
                code=exit_code(report, strict=self._strict) if report else None,
            )


class _Sums:
    """What the VMs that are done have come to, in bytes; `lost` is what attempts have read that were made again."""

    def __init__(self) -> None:
        self.read = 0
        self.estimate = 0
        self.lost = 0
        self._good_read = 0
        self._good_estimate = 0

    def add(self, row: Row) -> None:
        self.read += row.read
        self.estimate += row.estimate
        if row.state != "failed":
            self._good_read += row.read
            self._good_estimate += row.estimate

    def likely(self, estimate: int) -> int:
        """Return how much of the most that VMs can send they will send, if they are like those that are done."""
        return estimate * self._good_read // self._good_estimate if self._good_estimate else estimate


def _to_come(task: Task) -> Row:
    return Row(vm=task.vm.name, uuid=task.vm.uuid, state="waiting", estimate=task.estimate)


def _ended(result: VMResult, course: Course | None) -> Row:
    failed = next((outcome.failure for outcome in result.own_failures if outcome.failure), None)
    return Row(
        vm=result.vm,
        uuid=result.uuid,
        state="good" if result.good else "in part" if result.partly else "failed",
        step=f"{failed.step}: {failed.code}" if failed else "",
        read=result.read,
        estimate=course.task.estimate if course else 0,
        seconds=result.seconds,
        rate=result.read / result.seconds if result.seconds else 0.0,
        slowest=slowest({}, course.spent) if course else "",
    )
