"""Columns of plain text, of the width that a terminal shows."""

from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len

GAP = "  "


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int], wide: int, most: int) -> Iterator[list[str]]:
    """Yield the lines of each row, its cells below those of the others; the columns `right` hold numbers.

    The column `wide` takes no more than `most` places: a row with more in it has a line of its own for that cell.
    """
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths[wide] = max((cell_len(row[wide]) for row in rows if cell_len(row[wide]) <= most), default=0)
    for row in rows:
        parts: list[Sequence[str]] = [row]
        if cell_len(row[wide]) > widths[wide]:
            parts = [row[: wide + 1], (*([""] * (wide + 1)), *row[wide + 1 :])]
        yield [_line(part, widths, right) for part in parts]


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    return GAP.join(_padded(cell, widths[at], right=at in right) for at, cell in enumerate(cells)).rstrip()


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space
