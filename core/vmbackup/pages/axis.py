"""The vertical axis of a chart: a unit in which its figures are short, and few round marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Units = Sequence[tuple[float, str]]
BYTES: Units = tuple((1024.0**power, unit) for power, unit in enumerate(("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")))
RATES: Units = tuple((size, f"{unit}/s") for size, unit in BYTES)
SECONDS: Units = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"))
MARKS = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """`unit` is worth `size` bytes or seconds; `marks` are in that unit, from 0 to no less than the largest figure."""

    size: float
    unit: str
    marks: tuple[float, ...]


def axis(largest: float, units: Units) -> Axis:
    """Return an axis on which a figure of `largest` has its place."""
    size, unit = next(((size, unit) for size, unit in reversed(units) if largest >= size), units[0])
    step = _round_step(largest / size / MARKS)
    number = max(1, math.ceil(largest / size / step - 1e-9))
    return Axis(size, unit, tuple(round(step * each, 6) for each in range(number + 1)))


def _round_step(step: float) -> float:
    """Return the next of 1, 2, 2.5, 5 and their tenfolds that is no less than `step`."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * (1 - 1e-9))
