from rich.cells import cell_len

from vmbackup.columns import aligned


def shown(*rows: tuple[str, ...]) -> list[list[str]]:
    return list(aligned(rows, right=(2,), wide=1, most=8))


def test_cells_stand_below_each_other_and_numbers_at_the_right() -> None:
    assert shown(("", "VM", "size"), ("good", "web", "5"), ("FAILED", "mail", "17")) == [
        ["        VM    size"],
        ["good    web      5"],
        ["FAILED  mail    17"],
    ]


def test_what_is_too_wide_has_a_line_of_its_own() -> None:
    assert shown(("good", "web", "5"), ("good", "a-very-long-name", "17")) == [
        ["good  web   5"],
        ["good  a-very-long-name", "           17"],
    ]
    assert shown(("good", "a-very-long-name", "17")) == [["good  a-very-long-name", "        17"]]


def test_wide_characters_count_for_what_they_take() -> None:
    (first,), (second,) = shown(("good", "東京", "5"), ("good", "web", "7"))
    assert cell_len(first) == cell_len(second) == len("good  東京  5") + 2


def test_no_rows_are_no_lines_and_rows_end_without_spaces() -> None:
    assert shown(("good", "web", "")) == [["good  web"]]
