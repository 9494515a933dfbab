import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_targets.smb.listing import FOLDER, LINK, Found, parse, when

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda n: n not in {".", ".."}
)
FOUND = st.builds(
    Found,
    name=NAMES,
    attributes=st.integers(0, 0xFFFFFFFF),
    size=st.integers(0, 1 << 50),
    modified=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


def entry(found: Found, *, last: bool) -> bytes:
    """As MS-FSCC 2.4.10 has it: what follows begins at a multiple of eight bytes."""
    name = found.name.encode("utf-16-le")
    size = 64 + len(name)
    padding = 0 if last else -size % 8
    since = found.modified - datetime(1601, 1, 1, tzinfo=UTC)
    written = (since.days * 86400 + since.seconds) * 10_000_000 + since.microseconds * 10
    numbers = (0, 0, written, 0, found.size, found.size + 4096, found.attributes, len(name))
    return struct.pack("<IIQQQQQQII", 0 if last else size + padding, 7, *numbers) + name + bytes(padding)


def answer(entries: list[Found]) -> bytes:
    return b"".join(entry(found, last=found is entries[-1]) for found in entries)


@given(st.lists(FOUND, min_size=1, max_size=8, unique_by=id))
def test_what_the_server_lists_is_read(entries: list[Found]) -> None:
    assert list(parse(answer(entries))) == entries


def test_the_folder_itself_and_the_one_above_are_left_out() -> None:
    entries = [Found(name, FOLDER, 0, datetime(2026, 1, 1, tzinfo=UTC)) for name in (".", "..", "a")]
    assert [found.name for found in parse(answer(entries))] == ["a"]


@given(st.lists(FOUND, min_size=1, max_size=3, unique_by=id), st.data())
def test_an_answer_that_is_cut_short_is_an_error(entries: list[Found], data: st.DataObject) -> None:
    whole = answer(entries)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="cut short"):
        list(parse(whole[:cut]))


def test_an_entry_that_leads_back_is_an_error() -> None:
    whole = bytearray(answer([Found("name", 0, 0, datetime(2026, 1, 1, tzinfo=UTC))]))
    whole[:4] = struct.pack("<I", 8)
    with pytest.raises(ValueError, match="cut short"):
        list(parse(bytes(whole)))


@pytest.mark.parametrize(
    ("attributes", "file", "folder"),
    [(0x20, True, False), (FOLDER, False, True), (FOLDER | LINK, False, False), (LINK, False, False)],
)
def test_links_are_neither_files_nor_folders(attributes: int, *, file: bool, folder: bool) -> None:
    found = Found("name", attributes, 0, datetime(2026, 1, 1, tzinfo=UTC))
    assert (found.is_file, found.is_folder) == (file, folder)


def test_a_time_beyond_all_calendars_is_the_last_one() -> None:
    assert when((1 << 64) - 1).year == 9999
    assert when(116_444_736_000_000_000) == datetime(1970, 1, 1, tzinfo=UTC)
