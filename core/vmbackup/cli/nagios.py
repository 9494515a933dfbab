"""A status as a plugin of Nagios, Icinga or Naemon says it: one line with figures behind a bar, then more lines.

See https://nagios-plugins.org/doc/guidelines.html: nothing but that bar may stand in it, and the exit code counts.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from vmbackup.protection import ALARMS, Level, Standing, Status, words_of
from vmbackup.wording import counted, human_age, plain

# A line that is read on a pager.
NAMED = 5
WORDS = 300


def nagios_lines(status: Status, max_age: timedelta, now: datetime) -> Iterator[str]:
    """Yield the lines; the first is all that is shown in lists. `now` is UTC."""
    yield f"{nagios_line(status.level, _headline(status, now))} | {_figures(status, max_age, now)}"
    for standing in status.standings:
        for note in ([standing.why] if standing in status.alarms else []) + [*standing.notes]:
            yield _safe(f"{standing.vm}: {note}")
    yield from (_safe(f"{label}: {message}") for label, message in status.away)
    for run in status.runs:
        if run.code:
            yield _safe(f"the last run of {run.job}, {human_age(run.started, now)} ago, ended with {run.code}")
        yield from (_safe(f"{run.job}: {words_of(untold)}") for untold in run.untold)
    yield from map(_safe, status.remarks)


def nagios_line(level: Level, words: str) -> str:
    """Return a line that says how bad it is, and why."""
    return f"VMBACKUP {level.name} - {_safe(words)}"


def _headline(status: Status, now: datetime) -> str:
    if status.away:
        labels = ", ".join(label for label, _ in status.away)
        first = f"cannot be read: {labels} ({status.away[0][1]})"
    elif status.inventory is None:
        first = "no run has left word of what is in the pool"
    elif status.alarms:
        first = f"{len(status.alarms)} of {_meant(status)} VMs not protected: {_named(status.alarms)}"
    else:
        first = f"{_meant(status)} of {_meant(status)} VMs protected"
    seen = f", pool seen {human_age(status.inventory, now)} ago" if status.inventory else ""
    warned = sum(len(one.notes) for one in status.standings) + len(status.remarks)
    warned += sum(len(run.untold) + bool(run.code) for run in status.runs)
    return first + (f", {counted(warned, 'warning')}" if warned else "") + seen


def _meant(status: Status) -> int:
    return sum(one.verdict != "excluded" for one in status.standings)


def _named(standings: tuple[Standing, ...]) -> str:
    names = [f"{plain(one.vm, 60)} ({one.verdict})" for one in standings[:NAMED]]
    more = len(standings) - NAMED
    return ", ".join([*names, *([f"{more} more"] if more > 0 else [])])


def _figures(status: Status, max_age: timedelta, now: datetime) -> str:
    counts = Counter(one.verdict for one in status.standings)
    figures = [f"vms={_meant(status)};;;0", f"protected={counts['protected']};;;0"]
    figures += [f"{verdict.replace(' ', '_')}={counts[verdict]};;0;0" for verdict in ALARMS]
    figures.append(f"excluded={counts['excluded']};;;0")
    ages = [
        now - one.newest.manifest.snapshot_time for one in status.standings if one.newest and one.verdict != "excluded"
    ]
    if ages:
        figures.append(f"oldest={_seconds(max(ages))}s;;{_seconds(max_age)};0")
    if status.inventory:
        figures.append(f"inventory={_seconds(now - status.inventory)}s;{_seconds(max_age)};;0")
    return " ".join(figures)


def _seconds(span: timedelta) -> int:
    return max(0, round(span.total_seconds()))


def _safe(words: str) -> str:
    """Return words on one line without the bar behind which figures begin."""
    return plain(words, WORDS).replace("|", "/")
