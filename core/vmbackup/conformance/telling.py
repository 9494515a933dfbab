"""The promises of who is told of a run: reporters and notifiers."""

import traceback
from collections.abc import Callable, Iterator
from copy import deepcopy

from pydantic import BaseModel

from vmbackup.conformance.holding import PromiseBroken, require, taken
from vmbackup.conformance.process import heard, left_alone
from vmbackup.conformance.reports import reports
from vmbackup.contracts import Notifier, Reporter
from vmbackup.errors import NotifyError
from vmbackup.results import Report
from vmbackup.settings import SecretSource, Settings

Teller = Reporter[Settings] | Notifier[Settings]
TellerPromise = Callable[[Teller], None]


def takes_every_report(teller: Teller) -> None:
    """A run of any shape can be told: good, failed, interrupted, empty, and with names that mean to do harm."""
    for shape, report in reports().items():
        with taken(f"telling of {shape}"):
            tell(teller, report)


def changes_no_report(teller: Teller) -> None:
    """A report is the same afterwards, for others are told it too."""
    for shape, report in reports().items():
        before = deepcopy(report)
        tell(teller, report)
        require(report == before, f"the report of {shape} is another one afterwards")


def leaves_the_process_alone(teller: Teller) -> None:
    """Working folder, umask, environment, signals, streams, logging and threads are afterwards as they were."""
    with left_alone():
        for report in reports().values():
            tell(teller, report)


def leaves_standard_output_alone(teller: Teller) -> None:
    """Nothing is written to standard output, which belongs to the command that runs."""
    with heard() as said:
        for report in reports().values():
            tell(teller, report)
    require(not said.output, f"standard output was written to: {said.output[:80]!r}")


def says_no_secret(teller: Teller) -> None:
    """No secret of its settings is written to a terminal or a log."""
    with heard() as said:
        for report in reports().values():
            tell(teller, report)
    require_unsaid(teller, said.output, "standard output")
    require_unsaid(teller, said.error, "standard error")
    require_unsaid(teller, _bytes("\n".join(said.logged)), "the log")


def raises_when_it_cannot_tell(teller: Teller) -> None:
    """Who cannot write or tell raises NotifyError, whose words say what to do and hold no secret."""
    report = reports()["a failed run"]
    try:
        with heard() as said:
            tell(teller, report)
    except NotifyError as error:
        require_unsaid(teller, _bytes("".join(traceback.format_exception(error))), "the error")
        require(bool(error.message), "the error has no words")
    except Exception as error:
        raise PromiseBroken(f"it raised {type(error).__name__}, which counts as a bug; NotifyError is due") from error
    else:
        require(kept=False, message="nobody was told, and nobody would know: NotifyError is due")
    require_unsaid(teller, said.output + said.error + _bytes("\n".join(said.logged)), "what was said meanwhile")


def writes_no_secret(teller: Teller, written: Callable[[], bytes]) -> None:
    """No secret of its settings is in what it writes or sends; `written` returns all of that."""
    for report in reports().values():
        tell(teller, report)
    data = written()
    require(bool(data), "`written` says that nothing was written, so that nothing is shown")
    require_unsaid(teller, data, "what was written")


def tell(teller: Teller, report: Report) -> None:
    """Tell of a run, as the core does: a reporter at its end, a notifier at its beginning, too."""
    if isinstance(teller, Reporter):
        teller.write(report)
    else:
        teller.started(report.run)
        teller.notify(report)


def require_unsaid(teller: Teller, data: bytes, where: str) -> None:
    """Require that none of the secrets in the settings of `teller` is in `data`."""
    for secret in _secrets(teller.settings):
        require(secret.encode() not in data, f"a secret of the settings is in {where}")


def _bytes(text: str) -> bytes:
    # The name of a file may hold what is no UTF-8.
    return text.encode(errors="backslashreplace")


def _secrets(settings: BaseModel) -> Iterator[str]:
    if isinstance(settings, SecretSource):
        if secret := settings.reveal():
            yield secret
        return
    for _, value in settings:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from _secrets(one)
