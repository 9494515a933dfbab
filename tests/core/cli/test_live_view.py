"""What is drawn fits, whatever the terminal and whatever the names."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vmbackup.cli.live_view import chosen, clock, live_view, steady
from vmbackup.live import Picture, Row

MIB = 1 << 20
STAGES = ("pool or network", "checks", "compression", "target a-label-of-some-length")
ROWS = st.builds(
    Row,
    vm=st.text(max_size=40),
    uuid=st.text(min_size=1, max_size=8),
    state=st.sampled_from(["waiting", "under way", "good", "in part", "failed"]),
    step=st.sampled_from(["", "export", "before-snapshot", "export: VDI_IO_ERROR"]) | st.text(max_size=20),
    read=st.integers(0, 1 << 45),
    estimate=st.integers(0, 1 << 45),
    seconds=st.floats(0, 1e6),
    rate=st.floats(0, 1e11),
    left=st.none() | st.floats(0, 1e12),
    slowest=st.sampled_from(("", *STAGES)),
)


def picture(rows: Sequence[Row], **more: object) -> Picture:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    shown = Picture(
        job="weekend",
        run="r",
        process=1,
        started=datetime(2026, 1, 3, 2, tzinfo=UTC),
        seconds=75.0,
        doing="",
        planned=True,
        rows=tuple(rows),
        counts=counts,  # type: ignore[arg-type]
        read=8 * MIB,
        estimate=1 << 35,
        rate=1e6,
        left=3000.0,
        slowest="checks",
        warnings=0,
        said=(),
    )
    return replace(shown, **more)  # type: ignore[arg-type]


@given(st.lists(ROWS, max_size=12), st.integers(8, 250), st.integers(1, 30), st.booleans())
def test_nothing_is_wider_or_higher_than_the_terminal(
    rows: list[Row],
    width: int,
    height: int,
    planned: bool,  # noqa: FBT001 - given
) -> None:
    lines = live_view(picture(rows, planned=planned, doing="retention"), width, height)
    assert 1 <= len(lines) <= max(1, height - 1)
    for line in lines:
        assert cell_len(line.plain) < width
        assert line.plain.isprintable()


FEW = (
    Row("web01", "1", "good", read=12 << 30, estimate=16 << 30, seconds=200, rate=61.5 * MIB, slowest="checks"),
    Row("db02", "2", "failed", "export: VDI_IO_ERROR"),
    Row("mail", "3", "under way", "export", 18 << 30, 40 << 30, 211, 85.25 * MIB, 190, "target nas"),
    Row("print", "4", "waiting", estimate=5 << 30),
)
AT_40 = """\
weekend: 2 of 4 VMs, 1 failed
━━━━━━──── 61%  976.6 KiB/s
slowest: target nas
web01 good           0:03:20
db02  failed   export: VDI_IO_ERROR
mail  export    45% <0:03:10
print waiting"""
AT_80 = """\
weekend: 2 of 4 VMs, 1 failed, about 0:50:00 left, 0:01:15 so far
━━━━━━━━━━━━──────── 61%  976.6 KiB/s  slowest: target nas
web01 good                  12.0 GiB  61.5 MiB/s  0:03:20
db02  failed   export: VDI_IO_ERROR
mail  export   ━━━━──────        45%  85.2 MiB/s <0:03:10
print waiting               <5.0 GiB"""
AT_200 = """\
weekend: 2 of 4 VMs, 1 failed, about 0:50:00 left, 0:01:15 so far
━━━━━━━━━━━━━━━━━━━━━━━━──────────────── 61%  976.6 KiB/s  slowest: target nas
web01 good                  12.0 GiB  61.5 MiB/s  0:03:20  slowest: checks
db02  failed   export: VDI_IO_ERROR
mail  export   ━━━━──────        45%  85.2 MiB/s <0:03:10  18.0 GiB of at most 40.0 GiB, slowest: target nas
print waiting               <5.0 GiB"""


@pytest.mark.parametrize(("width", "drawn"), [(40, AT_40), (80, AT_80), (200, AT_200)])
def test_how_it_looks(width: int, drawn: str) -> None:
    lines = [line.plain.rstrip() for line in live_view(picture(FEW), width, 24)]
    assert lines == drawn.splitlines()


def test_before_the_plan_and_after_the_vms_it_says_what_the_run_is_at() -> None:
    (line,) = live_view(picture((), planned=False, doing="begin"), 80, 24)
    assert line.plain == "weekend: begin, 0:01:15"
    head = live_view(picture(FEW, doing="retention"), 80, 24)[0]
    assert "retention" in head.plain


def many(done: int, now: int, waiting: int) -> list[Row]:
    states = ["good"] * done + ["under way"] * now + ["waiting"] * waiting
    return [Row(f"vm {n}", str(n), state) for n, state in enumerate(states)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "room", "shown"),
    [
        (many(2, 1, 2), 10, [0, 1, 2, 3, 4]),
        (many(100, 1, 100), 10, [93, 94, 95, 96, 97, 98, 99, 100, 101, 102]),
        (many(1, 1, 100), 6, [0, 1, 2, 3, 4, 5]),
        (many(100, 1, 0), 4, [97, 98, 99, 100]),
        (many(100, 1, 100), 1, [100]),
        (many(100, 1, 100), 0, []),
        (many(100, 1, 100), -3, []),
    ],
)
def test_those_under_way_the_last_that_are_done_and_the_next(rows: list[Row], room: int, shown: list[int]) -> None:
    assert [row.vm for row in chosen(rows, room)] == [f"vm {number}" for number in shown]


def test_the_rest_is_counted() -> None:
    rows = many(50, 1, 60)
    lines = [line.plain for line in live_view(picture(rows), 80, 12)]
    assert len(lines) == 11
    assert lines[-1] == "45 done before, 58 more waiting"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", "?[31mred?]0;title?"),
        ("a\nb\tc", "a?b?c"),
        ("e\u0301te\u0301", "été"),
        ("12:ab:1e :smile: [bold]x[/]", "12:ab:1e :smile: [bold]x[/]"),
        ("\u202edrawkcab", "?drawkcab"),
        ("x\u0336", "x"),
    ],
)
def test_names_can_neither_speak_to_the_terminal_nor_shift_what_is_beside_them(name: str, shown: str) -> None:
    assert steady(name) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00:00"), (59.9, "0:00:59"), (3600, "1:00:00"), (360000, "100:00:00")]
)
def test_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
