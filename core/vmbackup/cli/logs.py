"""Where the lines of a log go and how they look there: for people, as JSON, or as entries of systemd's journal."""

import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

from vmbackup.cli.journald import JournalHandler, is_connected
from vmbackup.metadata import one_line

LogFormat = Literal["auto", "text", "json", "journal"]


@dataclass(frozen=True, slots=True)
class Wish:
    """How a run is to be told of. `format` is "auto" where nobody has said."""

    format: LogFormat = "auto"
    quiet: bool = False

    def live(self, *, terminal: bool) -> bool:
        """Whether lines are drawn on a terminal, rather than logged."""
        return terminal and self.format == "auto" and not self.quiet

    @property
    def chosen(self) -> LogFormat:
        """The format: under systemd the journal's, else that for people."""
        if self.format != "auto":
            return self.format
        return "journal" if is_connected(os.environ.get("JOURNAL_STREAM", ""), 1) else "text"

    @property
    def summary(self) -> bool:
        """Whether a table is printed in the end, which only people can read."""
        return self.chosen == "text" and not self.quiet


def logger_for(wish: Wish) -> logging.Logger:
    """Return the logger of runs: it says what is wished for, in one place alone."""
    logger = logging.getLogger("vmbackup.run")
    logger.setLevel(logging.WARNING if wish.quiet else logging.INFO)
    logger.propagate = False
    logger.handlers = [_handler(wish.chosen)]
    return logger


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what a line is about: job, run, VM, step and the like."""
    return {name: value for name, value in getattr(record, "facts", {}).items() if value != ""}


class ForPeople(logging.Formatter):
    """One line with its time in UTC: quiet enough for cron, plain enough for grep."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_moment(record):%Y-%m-%dT%H:%M:%SZ} {one_line(record.getMessage())}"


class AsJson(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        head = {"time": f"{_moment(record):%Y-%m-%dT%H:%M:%S.%fZ}", "level": record.levelname.lower()}
        return json.dumps({**head, "message": record.getMessage(), **facts_of(record)}, ensure_ascii=False)


class _Lines(logging.StreamHandler[TextIO]):
    """Writes lines for as long as somebody takes them: a run does not end because the reader of its log has gone."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing where nobody reads; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _handler(format_: LogFormat) -> logging.Handler:
    plain = _Lines(sys.stdout)
    plain.setFormatter(AsJson() if format_ == "json" else ForPeople())
    return JournalHandler(plain, facts_of) if format_ == "journal" else plain


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
