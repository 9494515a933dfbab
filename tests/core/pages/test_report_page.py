import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from vmbackup import report_mail, report_page
from vmbackup.conformance.reports import HOSTILE, reports
from vmbackup.results import Report

ALL = reports()
GOOD = ALL["a good run"]
NIGHTS = [
    replace(GOOD, run=replace(GOOD.run, id=f"{number:016}", started=GOOD.run.started - timedelta(days=number)))
    for number in range(1, 41)
]
VOID = {"meta", "link", "br", "img", "hr"}


class Read(HTMLParser):
    """A page as a parser sees it: its tags, attributes and words; every tag has to be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.values: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.values += [value or "" for _, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(report: Report) -> str:
    return report_page(report, NIGHTS)


EACH = pytest.mark.parametrize("make", [page, report_page, report_mail])


@EACH
@pytest.mark.parametrize("shape", ALL)
def test_a_run_of_any_shape_is_a_whole_page_without_code(make: Callable[[Report], str], shape: str) -> None:
    read = Read(make(ALL[shape]))
    assert not {"script", "img", "iframe", "object", "form", "base"} & set(read.tags)
    assert not [name for name in read.names if name.startswith("on")]
    made = make(ALL[shape])
    assert made.encode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\u200b]", made), (
        "no character that speaks to a terminal or a reader"
    )


@EACH
def test_a_name_is_words_wherever_it_stands(make: Callable[[Report], str]) -> None:
    for hostile in HOSTILE:
        (report,) = (one for one in ALL.values() if one.results and one.results[0].vm == hostile)
        told = " ".join("".join(each if each.isprintable() else " " for each in hostile).split())[:60]
        assert told in Read(make(report)).text, ascii(hostile)


@EACH
def test_it_says_what_failed_and_what_to_do(make: Callable[[Report], str]) -> None:
    text = Read(make(ALL["a run that was good with one VM alone"])).text
    for words in ("1 of 2 VMs failed", "db on nas: export", "TargetError", "No space left on device", "Make room."):
        assert words in text


@EACH
def test_it_says_why_nothing_was_done(make: Callable[[Report], str]) -> None:
    text = Read(make(ALL["a run that did not come to its pool"])).text
    for words in ("Failed", "prepare", "LoginRefused", "Check the password.", "exit code 12"):
        assert words in text


@EACH
def test_it_says_what_the_job_does_not_take(make: Callable[[Report], str]) -> None:
    text = Read(make(ALL["a run with its inventory"])).text
    assert "not taken by this job" in text
    assert "printer" in text
    assert "scratch" not in text, "what is left out on purpose is no surprise"


def test_a_page_shows_what_was_removed_copied_rehearsed_and_kept() -> None:
    assert "keep.last = 4" in Read(page(ALL["a run with removals"])).text
    assert "offsite 1 backup, 1.5 GiB in 1 min 02 s" in Read(page(ALL["a run with mirrors"])).text
    assert "no sign of life" in Read(page(ALL["a run with rehearsals"])).text
    stock = Read(page(ALL["a run that took stock"])).text
    assert "2.0 TiB free , 4.0 TiB before the run" in stock
    assert "4 + 0" in stock
    assert "9 days ago" in stock


def test_a_page_says_which_copy_goes_next() -> None:
    stocked = ALL["a run that took stock"]
    leaving = replace(stocked.kept[0], leaving=stocked.finished.replace(year=2024, month=2, day=9))
    assert "9 Feb 2024 goes next" in page(replace(stocked, kept=(leaving,)))
    assert "goes next" not in page(stocked)


def test_a_page_needs_nothing_beside_itself() -> None:
    read = Read(page(GOOD))
    assert not [value for value in read.values if re.match(r"\s*(https?:|//|file:)", value)]
    assert "url(" not in page(GOOD)
    assert "@import" not in page(GOOD)
    assert "default-src 'none'" in page(GOOD)


def test_the_last_thirty_runs_are_drawn_this_one_among_them() -> None:
    made = page(GOOD)
    assert "The last 30 runs" in made
    assert made.count("<svg") == 3
    assert "web, 2026-03-14 22:00: 1.5 GiB" in made
    assert "2026-02-13: All good" in made
    assert "2026-02-12: All good" not in made


def test_a_first_run_says_why_there_are_no_charts() -> None:
    made = report_page(GOOD)
    assert "<svg" not in made
    assert "begin with the second run" in made


def test_runs_that_have_made_no_backups_have_a_calendar_and_no_charts() -> None:
    bad = ALL["a failed run"]
    made = report_page(bad, [replace(bad, run=night.run) for night in NIGHTS[:3]])
    assert "<svg" not in made
    assert made.count(": 1 of 1 VM failed") == 4 + 1


def test_a_past_that_cannot_be_read_costs_the_charts_alone() -> None:
    made = report_page(GOOD, (), "target nas: <gone>")
    assert "could not be read: target nas: &lt;gone&gt;" in made
    assert "All good" in made


def test_the_run_itself_is_not_drawn_twice() -> None:
    assert "The last 2 runs" in report_page(GOOD, [GOOD, NIGHTS[0]])


def test_the_same_report_makes_the_same_page() -> None:
    assert page(GOOD) == report_page(GOOD, NIGHTS[::-1])


def test_a_mail_has_its_styles_in_attributes() -> None:
    read = Read(report_mail(GOOD))
    assert "style" not in read.tags
    assert "svg" not in read.tags
    assert not [value for value in read.values if "var(" in value]
