"""How a picture of a run looks on a terminal: as many lines as there is room for, none wider than it is. Pure."""

import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from vmbackup.cli.output import size
from vmbackup.live import Picture, Row, State
from vmbackup.metadata import one_line

STYLES: dict[State, str] = {
    "waiting": "dim",
    "under way": "cyan",
    "good": "green",
    "in part": "yellow",
    "failed": "red",
}
# What wider terminals show besides: how many columns must be there, and how wide the columns are.
RATE_FROM, BAR_FROM, READ_FROM, STAGE_FROM = 60, 76, 110, 140
STATE, BAR, SIZE, RATE, TIME = 8, 10, 10, 11, 8
# Nobody believes in what would take four days and more, in seconds, and it is too wide.
LONGEST = 100 * 3600
# Of those that wait so many stand below where not all VMs have room.
NEXT = 2


def live_view(picture: Picture, width: int, height: int) -> list[Text]:
    """Draw a run on so many columns and rows, and leave the last of both empty: the cursor waits below."""
    lines = [_line(_head(picture), width)]
    lines += _whole(picture, width) if picture.planned else []
    rows = chosen(picture.rows, height - len(lines) - 2)
    names = min(max((cell_len(steady(row.vm)) for row in rows), default=0), _room_for_names(width))
    lines += [_row(row, names, width) for row in rows]
    waiting = sum(row.state == "waiting" for row in rows)
    done = sum(row.state not in {"waiting", "under way"} for row in rows)
    unseen = {
        "done before": picture.vms - picture.counts.get("waiting", 0) - picture.counts.get("under way", 0) - done,
        "more waiting": picture.counts.get("waiting", 0) - waiting,
    }
    if rest := [f"{count} {what}" for what, count in unseen.items() if count > 0]:
        lines.append(Text(", ".join(rest), style="dim"))
    for line in lines:
        line.truncate(width - 1, overflow="ellipsis")
        line.no_wrap = True
    return lines[: max(1, height - 1)]


def chosen(rows: Sequence[Row], room: int) -> list[Row]:
    """Return those rows that are shown where there is room for so many, in their order.

    Those under way come first, then the next ones, then the last that are done.
    """
    if len(rows) <= room:
        return list(rows)
    now = [row for row in rows if row.state == "under way"][: max(room, 0)]
    waiting = [row for row in rows if row.state == "waiting"]
    done = [row for row in rows if row.state not in {"under way", "waiting"}]
    left = max(room - len(now), 0)
    coming = waiting[: max(min(NEXT, left), left - len(done))]
    return [*done[len(done) - min(left - len(coming), len(done)) :], *now, *coming]


def steady(text: str) -> str:
    """Return a name that takes as many cells on a terminal as is thought: no signs that are put on others."""
    return "".join(sign for sign in unicodedata.normalize("NFC", one_line(text)) if cell_len(sign))


def words(picture: Picture) -> str:
    """Say what has come of the VMs so far, or in the end."""
    counts = picture.counts
    parts = [f"{counts.get('good', 0)} good"]
    parts += [f"{counts[state]} {state}" for state in ("in part", "failed") if counts.get(state)]
    parts += [f"{picture.warnings} warning{'s'[: picture.warnings != 1]}"] if picture.warnings else []
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return seconds as `0:03:20`, which does not change its width while it runs."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _head(picture: Picture) -> list[str]:
    """Say how the run stands, what matters most first."""
    if not picture.planned:
        return [f"{picture.job}: {picture.doing}", clock(picture.seconds)]
    done = picture.vms - picture.counts.get("waiting", 0) - picture.counts.get("under way", 0)
    parts = [f"{picture.job}: {done} of {picture.vms} VMs"]
    failed = picture.counts.get("failed", 0)
    parts += [f"{failed} failed"] if failed else []
    parts += [picture.doing] if picture.doing else []
    parts += [f"about {clock(picture.left)} left"] if picture.left and picture.left < LONGEST else []
    parts += [f"{clock(picture.seconds)} so far"]
    parts += [f"{picture.warnings} warnings"] if picture.warnings else []
    return parts


def _line(parts: Sequence[str], width: int, separator: str = ", ") -> Text:
    """Join what fits; the first part is there in any case, cut where it must be."""
    line = steady(parts[0])
    for part in parts[1:]:
        if cell_len(line) + len(separator) + cell_len(part) < width:
            line += separator + steady(part)
    return Text(line)


def _room_for_names(width: int) -> int:
    """Return what the other columns leave to names, where it is not more than names need."""
    others = STATE + TIME + (SIZE + RATE + 2 if width >= RATE_FROM else 4) + (BAR + 1) * (width >= BAR_FROM)
    return min(max(8, width - others - 5), 40)


def _whole(picture: Picture, width: int) -> list[Text]:
    """Draw the bar of the whole run: VMs that are done, and of those under way the share that has been read.

    The slowest stage has a line of its own where the terminal is narrow.
    """
    now = [row for row in picture.rows if row.state == "under way"]
    done = picture.vms - picture.counts.get("waiting", 0) - len(now)
    part = done + sum(_share(row) for row in now)
    share = part / picture.vms if picture.vms else 0.0
    facts = [f"{share:.0%}"]
    facts += [f"{size(picture.rate)}/s"] if picture.read else []
    stage = next((row.slowest for row in now if row.slowest), "")
    slowest = [f"slowest: {stage}" if stage else f"slowest so far: {picture.slowest}"] * bool(stage or picture.slowest)
    bar, below = min(40, width // 4), width < BAR_FROM
    line = _line(facts if below else facts + slowest, width - bar - 1, "  ")
    return [Text.assemble(_bar(share, bar), " ", line), *(Text(steady(words)) for words in slowest if below)]


def _row(row: Row, names: int, width: int) -> Text:
    """Draw a VM: its name, where it is, and what there is room for."""
    line = Text(steady(row.vm))
    line.truncate(names, overflow="ellipsis", pad=True)
    line.append(" ")
    state = row.step if row.state == "under way" else row.state
    line.append(set_cell_size(steady(state), STATE) + " ", STYLES[row.state])
    if row.state in {"failed", "in part"}:
        return line.append(steady(row.step))
    flows = row.state == "under way" and row.step == "export"
    if width >= BAR_FROM:
        line.append_text(_bar(_share(row), BAR) if flows else Text(" " * BAR)).append(" ")
    if width >= RATE_FROM:
        line.append(f"{f'{_share(row):.0%}' if flows else _content(row):>{SIZE}} ")
        line.append(f"{f'{size(row.rate)}/s' if row.rate else '':>{RATE}} ")
    elif flows:
        line.append(f"{_share(row):4.0%} ")
    else:
        line.append(" " * 5)
    line.append(f"{_time(row, flows=flows):>{TIME}} ")
    if width >= READ_FROM and flows:
        line.append(f" {size(row.read)} of at most {size(row.estimate)}")
    if width >= STAGE_FROM and row.slowest:
        line.append(f", slowest: {steady(row.slowest)}" if flows else f" slowest: {steady(row.slowest)}")
    return line


def _bar(share: float, cells: int) -> Text:
    """Draw a bar that can be read without colours, too."""
    full = min(cells, int(share * cells))
    return Text.assemble(("━" * full, "cyan"), ("─" * (cells - full), "dim"))


def _share(row: Row) -> float:
    return min(1.0, row.read / row.estimate) if row.estimate else 0.0


def _content(row: Row) -> str:
    return size(row.read) if row.read else f"<{size(row.estimate)}" if row.state == "waiting" else ""


def _time(row: Row, *, flows: bool) -> str:
    if flows:
        return f"<{clock(row.left)}" if row.left and row.left < LONGEST else ""
    return clock(row.seconds) if row.seconds else ""
