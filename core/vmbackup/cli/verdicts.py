"""What is said of verifications: a line a backup, or JSON at the end; and the exit code that they come to."""

from collections import Counter
from collections.abc import Sequence

from vmbackup.cli.output import console, duration, name, print_json, size
from vmbackup.errors import VerificationFailed, VerificationUnread, VmbackupError
from vmbackup.manifest import Level
from vmbackup.repository import Broken
from vmbackup.results import Backup
from vmbackup.verify import Verdict

_COLOURS = {"good": "green", "wrong": "red", "unread": "yellow", "unfinished": "yellow", "gone": "dim"}


class Said:
    """Says what comes of each backup as soon as it is known, and sums it up."""

    def __init__(self, level: Level, *, as_json: bool) -> None:
        """`as_json` says it all at the end instead."""
        self._level = level
        self._as_json = as_json
        self._count: Counter[str] = Counter()
        self._backups: list[dict[str, object]] = []
        self._broken: list[dict[str, object]] = []
        self._away: list[dict[str, object]] = []
        self._left: list[str] = []

    def away(self, label: str, error: VmbackupError) -> None:
        """A target could not be read at all."""
        self._away.append({"target": label, "message": error.message})
        self._line("unread", f"{label}: {error.message}")

    def broken(self, label: str, found: Broken) -> None:
        """A folder holds a backup whose manifest cannot be believed."""
        word = "unread" if found.unread else "wrong"
        self._broken.append({"target": label, "folder": found.folder, "result": word, "reason": found.reason})
        self._line(word, f"{label}:{found.folder}: {found.reason}")

    def verdict(self, verdict: Verdict, warning: str) -> None:
        """A backup was verified; `warning` is why that could not be kept, or ""."""
        address = verdict.backup.address
        self._backups.append(_facts(verdict, warning))
        self._line(verdict.word, f"{address}: {_words(verdict, self._level)}")
        if warning and not self._as_json:
            console().print(f"[yellow]warning[/] {name(address)}: {name(warning)}", soft_wrap=True)

    def left(self, backups: Sequence[Backup]) -> None:
        """The time was up before these were done."""
        self._left = [backup.address for backup in backups]

    def end(self) -> int:
        """Sum up, and return the exit code: what is wrong counts before what could not be read."""
        count = self._count
        if self._as_json:
            print_json(
                {
                    "ok": not count["wrong"] and not count["unread"],
                    "level": self._level,
                    "backups": self._backups,
                    "broken": self._broken,
                    "away": self._away,
                    "left": self._left,
                }
            )
        else:
            left = f", {len(self._left)} left for the next call" if self._left else ""
            console().print(f"{count['good']} good, {count['wrong']} wrong, {count['unread']} could not be read{left}")
        if count["wrong"]:
            return VerificationFailed.exit_code
        return VerificationUnread.exit_code if count["unread"] else 0

    def _line(self, word: str, text: str) -> None:
        self._count[word] += 1
        if not self._as_json:
            console().print(f"[{_COLOURS[word]}]{word}[/] {name(text)}", soft_wrap=True)


def _words(verdict: Verdict, level: Level) -> str:
    if verdict.word == "gone":
        return "it was removed or replaced meanwhile"
    if verdict.wrong:
        return "; ".join(f"{wrong.file}: {wrong.message}" if wrong.file else wrong.message for wrong in verdict.wrong)
    rate = f", {size(verdict.read / verdict.seconds)}/s" if verdict.read and verdict.seconds else ""
    read = f"{level}, {size(verdict.read)} read in {duration(verdict.seconds)}{rate}"
    return f"{read}, of {size(verdict.depth.estimate(verdict.backup))}" if verdict.unfinished else read


def _facts(verdict: Verdict, warning: str) -> dict[str, object]:
    return {
        "address": verdict.backup.address,
        "result": verdict.word,
        "good": verdict.good,
        "read": verdict.read,
        "seconds": round(verdict.seconds, 3),
        "wrong": [{"file": wrong.file, "message": wrong.message, "unread": wrong.unread} for wrong in verdict.wrong],
        "warning": warning or None,
    }
