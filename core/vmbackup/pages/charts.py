"""Charts as SVG that stands in a page: drawn by pygal, then copied piece by piece, so that only shapes and words stay.

pygal brings scripts, styles and the date along; the page has its own styles, for light and dark, and the same input
must make the same page.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup
from pygal.style import Style

from vmbackup.pages.axis import Axis, Units, axis
from vmbackup.pages.figures import Series

# pygal puts a finder for its maps among those of all modules; Python 3.11 warns of it at every import that follows.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
Shape = Literal["bars", "lines"]
WIDTH, HEIGHT = 400, 200
DAYS_SHOWN = 5
_SHAPES = frozenset({"g", "path", "rect", "circle", "text"})
_ATTRIBUTES = ("x", "y", "width", "height", "cx", "cy", "r", "d", "transform", "class")
_CLASSES = re.compile(r"color-\d+|axis|x|y|guide|line|dot")
_LEFT_OUT = re.compile(r"background|titles|tooltip-overlay|text-overlay")
_DECIMALS = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: a value for each moment and series, in bars that stand on each other or in lines.

    `what` tells those who cannot see it what it shows, `words` write a value for people.
    """

    what: str
    moments: Sequence[datetime]
    series: Sequence[Series]
    units: Units
    shape: Shape
    words: Callable[[float], str]


def chart(plot: Plot) -> tuple[Markup, str]:
    """Draw a plot, of which some value is not None; return the SVG, and the unit of its vertical axis."""
    columns = zip(*(one.values for one in plot.series), strict=True)
    heights = [_height([value for value in column if value is not None], plot.shape) for column in columns]
    scale = axis(max(heights, default=0), plot.units)
    facts = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": plot.what, "class": f"chart {plot.shape}"}
    root = ET.Element("svg", facts)
    root.extend(piece for child in _draw(plot, scale) for piece in _copied(child))
    # The serializer escapes every word; nothing else than shapes is copied.
    return Markup(ET.tostring(root, encoding="unicode")), scale.unit  # noqa: S704


def _height(values: Sequence[float], shape: Shape) -> float:
    if not values:
        return 0.0
    return sum(values) if shape == "bars" else max(values)


def _draw(plot: Plot, scale: Axis) -> Iterable[ET.Element]:
    shape, moments, words = plot.shape, plot.moments, plot.words
    kind = pygal.StackedBar if shape == "bars" else pygal.Line
    drawing = kind(
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        spacing=6,
        no_prefix=True,
        js=[],
        css=[],
        style=Style(label_font_size=11, major_label_font_size=11, font_family="sans-serif"),
        show_legend=False,
        allow_interruptions=True,
        dots_size=2,
        x_labels=[f"{moment.day} {moment:%b}" for moment in moments],
        x_labels_major_every=max(1, -(-len(moments) // DAYS_SHOWN)),
        show_minor_x_labels=False,
        truncate_label=-1,
        y_labels=list(scale.marks),
        range=(0, scale.marks[-1]),
        value_formatter=lambda value: f"{value:g}",
    )
    for one in plot.series:
        drawing.add(
            "",
            [
                None
                if value is None
                else {"value": value / scale.size, "label": f"{one.name}, {moment:%Y-%m-%d %H:%M}: {words(value)}"}
                for moment, value in zip(moments, one.values, strict=True)
            ],
        )
    tree: Iterable[ET.Element] = drawing.render_tree()
    return tree


def _copied(element: ET.Element) -> Iterable[ET.Element]:
    """Copy what is a shape, and what is in it; the words that pygal keeps for its script become a title."""
    classes = str(element.get("class") or "").split()
    if element.tag not in _SHAPES or any(_LEFT_OUT.fullmatch(name) for name in classes):
        return
    kept = {name: str(element.get(name)) for name in _ATTRIBUTES if element.get(name) is not None}
    kept["class"] = " ".join(name for name in classes if _CLASSES.fullmatch(name))
    rounded = {
        name: value if name == "class" else _DECIMALS.sub(lambda found: f"{float(found[0]):.1f}", value)
        for name, value in kept.items()
        if value
    }
    if element.tag == "rect" and not float(rounded["height"]):
        # Where there is no value pygal draws a bar without a height, of which the edges would be seen.
        return
    copy = ET.Element(str(element.tag), rounded)
    copy.text = element.text
    for child in element:
        if child.tag == "desc" and child.get("class") == "label":
            ET.SubElement(copy, "title").text = child.text
        copy.extend(_copied(child))
    if element.tag != "g" or len(copy):
        yield copy
