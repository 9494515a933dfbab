"""Reporters and notifiers that are each wrong in one way; `BROKEN` names the promise that each breaks."""

import contextlib
import locale
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from vmbackup import Notifier, NotifyError, Report, Reporter, Secret, Settings, conformance
from vmbackup.conformance import TellerPromise


class TellerSettings(Settings):
    """Where it writes, and what it must not."""

    path: Path
    token: Secret


class Lines(Reporter[TellerSettings]):
    """A line a run, and nothing wrong with it."""

    name = "lines"
    Settings = TellerSettings

    def write(self, report: Report) -> None:
        self.add(f"{report.run.job!a}: {report.succeeded} good, {report.failed} failed")

    def add(self, line: str) -> None:
        try:
            with self.settings.path.open("a") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise NotifyError(f"{self.settings.path}: {error.strerror}") from error


class Told(Notifier[TellerSettings]):
    """The same as a notifier."""

    name = "told"
    Settings = TellerSettings

    def notify(self, report: Report) -> None:
        Lines(self.label, self.settings).write(report)


BROKEN: dict[type[Lines | Told], TellerPromise] = {}
Made = type[Lines] | type[Told]


def breaks(promise: TellerPromise) -> Callable[[Made], Made]:
    def note(kind: Made) -> Made:
        BROKEN[kind] = promise
        return kind

    return note


@breaks(conformance.takes_every_report)
class ExpectsAResult(Lines):
    def write(self, report: Report) -> None:
        self.add(report.results[0].vm.encode("ascii", "replace").decode())


@breaks(conformance.takes_every_report)
class ExpectsAVM(Lines):
    """Takes every backup for one of a VM."""

    def write(self, report: Report) -> None:
        for result in report.results:
            for outcome in result.outcomes:
                if outcome.backup and outcome.backup.manifest.vm.name:  # type: ignore[union-attr]
                    self.add("good")


@breaks(conformance.takes_every_report)
class CallsFilesByThePool(Told):
    def notify(self, report: Report) -> None:
        (self.settings.path.parent / f"{report.run.pool.name}.txt").write_text("done")


@breaks(conformance.takes_every_report)
class WritesWhatIsNoText(Lines):
    """Fails on a path that is not UTF-8."""

    def write(self, report: Report) -> None:
        self.add("\n".join(warning.message for warning in report.all_warnings).encode("utf-8").decode())


@breaks(conformance.changes_no_report)
class NotesItselfInTheReport(Lines):
    def write(self, report: Report) -> None:
        report.versions["lines"] = "1.0"


@breaks(conformance.leaves_the_process_alone)
class GoesToItsFolder(Lines):
    def write(self, report: Report) -> None:
        os.chdir(self.settings.path.parent)
        super().write(report)


@breaks(conformance.leaves_the_process_alone)
class LetsOthersRead(Lines):
    def write(self, report: Report) -> None:
        os.umask(0o002)
        super().write(report)


@breaks(conformance.leaves_the_process_alone)
class TimesItself(Told):
    def notify(self, report: Report) -> None:
        signal.signal(signal.SIGALRM, lambda *_: None)
        super().notify(report)


@breaks(conformance.leaves_the_process_alone)
class TellsItsChildrenTheLanguage(Told):
    def notify(self, report: Report) -> None:
        os.environ["LC_MESSAGES"] = "C"
        super().notify(report)


@breaks(conformance.leaves_the_process_alone)
class SpeaksAnotherLanguage(Told):
    def notify(self, report: Report) -> None:
        locale.setlocale(locale.LC_TIME, "C.UTF-8")
        super().notify(report)


@breaks(conformance.leaves_the_process_alone)
class SetsLoggingUp(Lines):
    def write(self, report: Report) -> None:
        logging.getLogger().setLevel(logging.CRITICAL)
        super().write(report)


@breaks(conformance.leaves_the_process_alone)
class GoesOnForEver(Told):
    """Leaves a thread that waits for more, and with it the process."""

    over = threading.Event()

    def notify(self, report: Report) -> None:
        threading.Thread(target=self.over.wait).start()


@breaks(conformance.leaves_standard_output_alone)
class Prints(Told):
    def notify(self, report: Report) -> None:
        sys.stdout.write("told everybody\n")
        super().notify(report)


@breaks(conformance.leaves_standard_output_alone)
class LetsOthersPrint(Lines):
    def write(self, report: Report) -> None:
        subprocess.run(["echo", "done"], check=True)
        super().write(report)


@breaks(conformance.says_no_secret)
class LogsHowItLogsIn(Told):
    def notify(self, report: Report) -> None:
        logging.getLogger("told").debug("Authorization: Bearer %s", self.settings.token.reveal())
        super().notify(report)


@breaks(conformance.says_no_secret)
class ShowsAnotherItsWords(Lines):
    def write(self, report: Report) -> None:
        subprocess.run(["sh", "-c", 'echo "$0" >&2', self.settings.token.reveal()], check=True)
        super().write(report)


class KeepsQuiet(Told):
    """Whatever happens."""

    def notify(self, report: Report) -> None:
        with contextlib.suppress(NotifyError):
            super().notify(report)


class LetsItFall(Lines):
    """Raises what it gets."""

    def add(self, line: str) -> None:
        with self.settings.path.open("a") as file:
            file.write(f"{line}\n")


class SaysWithWhat(Told):
    """Says what it tried."""

    def notify(self, report: Report) -> None:
        raise NotifyError(f"https://chat.example.edu/{self.settings.token.reveal()} does not answer")


class WritesItDown(Lines):
    def write(self, report: Report) -> None:
        self.add(f"written with {self.settings.token.reveal()}")


class WritesNothing(Lines):
    def write(self, report: Report) -> None:
        pass
