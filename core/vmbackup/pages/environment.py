"""The templates, with every value escaped, and the words that they are filled with."""

from datetime import date, datetime, timedelta
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_environment
from markupsafe import Markup

from vmbackup.pages.verdict import counted, of_run, of_vm
from vmbackup.version import __version__
from vmbackup.wording import human_seconds, human_size, plain

NAME_LENGTH = 120
TEXT_LENGTH = 2000
MARKS = {"good": "✓", "warned": "!", "failed": "✕"}


@cache
def environment() -> Environment:
    """Return the templates' environment, made at the first page: most commands make none."""
    made = Environment(
        loader=PackageLoader("vmbackup.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "name": name,
        "word": word,
        "text": text,
        "place": place,
        "size": size,
        "rate": rate,
        "seconds": human_seconds,
        "moment": moment,
        "day": day,
        "ago": ago,
        "near": near,
        "counted": counted,
        "mark": MARKS.__getitem__,
    }
    made.globals |= {"verdict_of": of_run, "vm_verdict_of": of_vm, "version": __version__, "style": style}
    return made


@pass_environment
def style(environment: Environment, file: str) -> Markup:
    """Return a style sheet of ours, to stand in a page as it is."""
    source, _, _ = environment.loader.get_source(environment, file) if environment.loader else ("", None, None)
    return Markup(source)  # noqa: S704 - ours, not a pool's


def name(words: str) -> str:
    """Return a name from the pool, on one line, never empty and not longer than a cell can bear."""
    return plain(words, NAME_LENGTH) or "(no name)"


def word(words: str) -> str:
    """Return a step or a code on one line; it may be empty."""
    return plain(words, NAME_LENGTH)


def text(words: str) -> str:
    """Return a message on one line."""
    return plain(words, TEXT_LENGTH)


def place(folder: str) -> str:
    """Return where a backup lies or lay, in short: its VM's folder, and its own."""
    return " / ".join(plain(part, NAME_LENGTH) for part in folder.split("/")[-2:])


def size(number: float) -> str:
    """Return bytes for people."""
    return human_size(int(number))


def rate(number: float) -> str:
    """Return bytes a second for people."""
    return f"{human_size(int(number))}/s"


def moment(when: datetime) -> str:
    """Return a moment in UTC for people, to the minute."""
    return f"{when.day} {when:%b %Y, %H:%M}"


def day(when: date) -> str:
    """Return a day for people."""
    return f"{when.day} {when:%b %Y}"


def near(when: date, now: date) -> str:
    """Return a day for people, without its year where that is the present one."""
    return f"{when.day} {when:%b}" if when.year == now.year else day(when)


def ago(when: datetime, now: datetime) -> str:
    """Return for people how long before `now` a moment was."""
    hours = max(0, (now - when) // timedelta(hours=1))
    if hours >= 48:  # noqa: PLR2004 - two days
        return f"{hours // 24} days ago"
    return f"{hours} h ago" if hours else "just now"
