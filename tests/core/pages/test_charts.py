import sys
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from vmbackup.pages.axis import BYTES
from vmbackup.pages.charts import Plot, Shape, chart
from vmbackup.pages.figures import Series

FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)
MOMENTS = tuple(FIRST + timedelta(days=number) for number in range(12))
HOSTILE = "<script>alert(1)</script>\"'&"


def drawn(*series: Series, shape: Shape = "bars", moments: tuple[datetime, ...] = MOMENTS) -> str:
    svg, unit = chart(Plot("Sizes", moments, series, BYTES, shape, lambda value: f"{value:g} bytes"))
    assert unit == "bytes"
    return str(svg)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def values(*some: float | None) -> tuple[float | None, ...]:
    return (*some, *(None for _ in MOMENTS[len(some) :]))


@pytest.mark.parametrize(("shape", "mark"), [("bars", "rect"), ("lines", "circle")])
def test_each_value_has_a_mark_that_says_what_it_is(shape: Shape, mark: str) -> None:
    root = parsed(drawn(Series("web", values(1, None, 3)), Series("db", values(None, 2)), shape=shape))
    titles = [each.text for each in root.iter("title")]
    assert titles == [
        "web, 2026-03-01 02:00: 1 bytes",
        "web, 2026-03-03 02:00: 3 bytes",
        "db, 2026-03-02 02:00: 2 bytes",
    ]
    assert len(list(root.iter(mark))) == 3
    assert {each.get("class") for each in root.iter("g")} >= {"color-0", "color-1"}


def test_bars_stand_on_each_other_and_are_as_high_as_their_values() -> None:
    root = parsed(drawn(Series("web", values(10)), Series("db", values(30))))
    low, high = (each for each in root.iter("rect"))
    assert float(high.get("height", 0)) == pytest.approx(3 * float(low.get("height", 0)), abs=0.2)
    assert float(high.get("y", 0)) + float(high.get("height", 0)) == pytest.approx(float(low.get("y", 0)), abs=0.2)


def test_a_line_has_a_gap_where_there_is_no_value() -> None:
    root = parsed(drawn(Series("web", values(1, 2, None, 3, 4)), shape="lines"))
    lines = [
        each for each in root.iter("path") if "line" in str(each.get("class")) and "guide" not in str(each.get("class"))
    ]
    assert len([each for each in lines if "L" in str(each.get("d"))]) == 2


def test_names_are_words_whatever_they_are() -> None:
    svg = drawn(Series(HOSTILE, values(1, 2)))
    assert "<script" not in svg
    assert f"{HOSTILE}, 2026-03-01 02:00: 1 bytes" in [each.text for each in parsed(svg).iter("title")]


def test_nothing_but_shapes_and_words_is_in_it() -> None:
    tags = {each.tag for each in parsed(drawn(Series("web", values(1)), shape="lines")).iter()}
    assert tags <= {"svg", "g", "path", "circle", "rect", "text", "title"}
    names = {name for each in parsed(drawn(Series("web", values(1)))).iter() for name in each.attrib}
    assert not {name for name in names if name.startswith("on") or name in {"style", "href"}}


def test_it_says_what_it_shows() -> None:
    root = parsed(drawn(Series("web", values(1))))
    assert (root.get("role"), root.get("aria-label")) == ("img", "Sizes")


def test_the_same_figures_make_the_same_chart() -> None:
    assert drawn(Series("web", values(1, 2))) == drawn(Series("web", values(1, 2)))


def test_where_there_is_no_value_there_is_no_bar() -> None:
    assert len(list(parsed(drawn(Series("web", values(0, None, 5)))).iter("rect"))) == 1


def test_the_library_leaves_no_finder_behind() -> None:
    assert not [finder for finder in sys.meta_path if type(finder).__module__ == "pygal"]
