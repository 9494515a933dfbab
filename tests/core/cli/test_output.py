from datetime import timedelta

import pytest
from rich.table import Table
from tests.core.builders import START

from vmbackup.cli.output import age, console, name
from vmbackup.cli.progress import stepping, waiting


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0, "0 h ago"), (0.9, "0 h ago"), (5.5, "5 h ago"), (47.9, "47 h ago"), (48, "2 days ago"), (240, "10 days ago")],
)
def test_how_long_ago_something_was(hours: float, shown: str) -> None:
    assert age(START, START + timedelta(hours=hours)) == shown


def test_a_moment_that_a_wrong_clock_dated_in_the_future_is_just_now() -> None:
    assert age(START + timedelta(days=3), START) == "0 h ago"


MAC = "12:ab:1e:c0:e1:9e"


def test_colons_make_no_pictures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = Table()
    table.add_column(MAC)
    table.add_row(name(MAC))
    console().print(table)
    console().print(f"[red]{name(MAC)}")
    with waiting(MAC, console()):
        pass
    with stepping(MAC, 10):
        pass
    shown = capsys.readouterr()
    assert shown.out.count(MAC) >= 4
    assert MAC in shown.err
