"""A run in a log: one line an event, the same whether a person, a program or the journal reads it."""

import logging

from vmbackup.cli.output import duration, size
from vmbackup.cli.run_words import closing_words
from vmbackup.plan import Plan
from vmbackup.results import Failure, Outcome, Report, Run, VMResult
from vmbackup.watch import Nobody


class LogLines(Nobody):
    """Says what has come of each VM and what went wrong; steps and bytes are for who looks on."""

    def __init__(self, logger: logging.Logger, *, summary_follows: bool) -> None:
        """`summary_follows` is whether somebody else says in the end what has come of all."""
        self._logger = logger
        self._summary_follows = summary_follows
        self._run: dict[str, str] = {}
        self._told: set[Failure] = set()

    def began(self, run: Run) -> None:
        """Nothing yet; but all that is said from now on is about this run."""
        self._run = {"job": run.job, "run": run.id}

    def planned(self, plan: Plan) -> None:
        """Say what the run will do, and what it cannot."""
        self._say(logging.INFO, f"job {plan.job}: {len(plan.tasks)} VMs to {', '.join(plan.targets)}")
        for problem in plan.problems:
            self._told.add(problem)
            self._say(logging.ERROR, f"error plan {problem.message}", step=problem.step, code=problem.code)

    def vm_done(self, result: VMResult) -> None:
        """One line for success, one for each failure."""
        for outcome in result.own_failures:
            self._failed(result, outcome)
        for outcome in result.outcomes:
            if outcome.backup:
                rate = result.read / result.seconds if result.seconds else 0.0
                self._say(
                    logging.INFO,
                    f"good {result.vm}: {result.method}, {size(result.read)} in {duration(result.seconds)},"
                    f" {size(rate)}/s, {outcome.backup.address}",
                    vm=result.vm,
                    vm_uuid=result.uuid,
                    target=outcome.target,
                    backup=outcome.backup.address,
                    read=result.read,
                    seconds=round(result.seconds, 3),
                )

    def warned(self, warning: Failure) -> None:
        """Say it."""
        self._told.add(warning)
        self._say(logging.WARNING, f"warning {warning.step}: {warning.message}", step=warning.step, code=warning.code)

    def finished(self, report: Report) -> None:
        """Say what has not been said, and the sum."""
        if self._summary_follows:
            return
        for failure in report.failures:
            if failure not in self._told:
                message = f"error {report.run.job}: {failure.step}: {failure.code}: {_with_advice(failure)}"
                self._say(logging.ERROR, message, step=failure.step, code=failure.code)
        for warning in report.all_warnings:
            if warning not in self._told:
                self.warned(warning)
        bad = report.failed or report.interrupted is not None
        level = logging.ERROR if bad else logging.WARNING if report.all_warnings else logging.INFO
        self._say(level, ": ".join(closing_words(report)))

    def _failed(self, result: VMResult, outcome: Outcome) -> None:
        if failure := outcome.failure:
            self._say(
                logging.ERROR,
                f"error {result.vm}: {failure.step}: {failure.code}: {_with_advice(failure)}",
                vm=result.vm,
                vm_uuid=result.uuid,
                target=outcome.target,
                step=failure.step,
                code=failure.code,
            )

    def _say(self, level: int, message: str, **facts: str | float) -> None:
        self._logger.log(level, message, extra={"facts": {**self._run, **facts}})


def _with_advice(failure: Failure) -> str:
    return f"{failure.message} ({failure.advice})" if failure.advice else failure.message
