import pytest

from vmbackup.pages.axis import BYTES, RATES, SECONDS, Axis, Units, axis


@pytest.mark.parametrize(
    ("largest", "units", "expected"),
    [
        (0, BYTES, Axis(1, "bytes", (0, 1))),
        (3, BYTES, Axis(1, "bytes", (0, 1, 2, 3))),
        (1024, BYTES, Axis(1024, "KiB", (0, 0.25, 0.5, 0.75, 1))),
        (357 * 2**30, BYTES, Axis(2**30, "GiB", (0, 100, 200, 300, 400))),
        (190 * 2**20, RATES, Axis(2**20, "MiB/s", (0, 50, 100, 150, 200))),
        (59, SECONDS, Axis(1, "seconds", (0, 20, 40, 60))),
        (5400, SECONDS, Axis(3600, "hours", (0, 0.5, 1, 1.5))),
        (2**62, BYTES, Axis(2**50, "PiB", (0, 2000, 4000, 6000))),
    ],
)
def test_an_axis_has_a_unit_and_few_round_marks(largest: float, units: Units, expected: Axis) -> None:
    assert axis(largest, units) == expected


@pytest.mark.parametrize("largest", [0.001, 1, 7.3, 99, 1000, 1023, 10**6, 3 * 10**11])
def test_every_figure_has_its_place(largest: float) -> None:
    made = axis(largest, BYTES)
    assert made.marks[-1] * made.size >= largest
    assert made.marks[-2] * made.size < largest
    assert len(made.marks) <= 6
