import errno
import itertools
import os
import stat
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmbackup import Buffer, Entry, KeyExists, KeyMissing, KeyRefused, Leftover, Stored, TargetError
from vmbackup_targets.folder import PIECE, FolderTarget
from vmbackup_targets.local import Local, LocalSettings
from vmbackup_targets.trouble import ADVICE

PART = st.from_regex(r"[A-Za-z0-9_+=-]([A-Za-z0-9._+=-]{0,20}[A-Za-z0-9_+=-])?", fullmatch=True)
KEYS = st.lists(PART, min_size=1, max_size=5).map("/".join)
BAD_KEYS = st.one_of(
    st.sampled_from(
        ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "../a", ".hidden", "a/.b", "a\0b", "a\n", "é", "a b", "a\\b"]
    ),
    st.text().filter(lambda text: not text.isascii()),
    st.builds("{}/{}".format, KEYS, st.sampled_from(["..", ".", "", "x" * 121, "~", "*"])),
    st.just("/".join(["x" * 100] * 4)),
)
WHENEVER = datetime(2026, 1, 1, tzinfo=UTC)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def fetched(target: FolderTarget[LocalSettings], key: str, *window: int) -> bytes:
    return b"".join(target.fetch(key, *window))


class NeverAsked:
    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("the source was asked for a chunk")


def test_what_is_stored_is_found_again(target: Local, root: Path) -> None:
    assert target.store("pool/vm/image.xva", [b"abc", b"", b"defg"]) == Stored("pool/vm/image.xva", 7)
    assert target.stat("pool/vm/image.xva") == Stored("pool/vm/image.xva", 7)
    assert fetched(target, "pool/vm/image.xva") == b"abcdefg"
    assert everything(root) == {"pool", "pool/vm", "pool/vm/image.xva"}


@settings(max_examples=40)
@given(st.dictionaries(KEYS, st.binary(max_size=300), max_size=6))
def test_any_set_of_keys_reads_back_and_goes_without_a_trace(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as root, Local("disk", LocalSettings(path=Path(root))) as target:
        stored: dict[str, bytes] = {}
        for key, data in files.items():
            try:
                target.store(key, [data])
            except TargetError:
                assert any(f"{other}/".startswith(f"{key}/") or key.startswith(f"{other}/") for other in stored)
            else:
                stored[key] = data
        assert {key: fetched(target, key) for key in stored} == stored
        assert set(walk(target)) == {Entry(key, len(data)) for key, data in stored.items()}
        for key in stored:
            target.delete(key)
        assert everything(Path(root)) == set()


def walk(target: Local, prefix: str = "") -> Iterator[Entry]:
    for entry in target.entries(prefix):
        if entry.size is None:
            yield from walk(target, entry.key)
        else:
            yield entry


@pytest.mark.parametrize("chunks", [[], [b""], [b"", bytearray(), memoryview(b"")]])
def test_a_file_may_be_empty(target: Local, chunks: list[bytes]) -> None:
    assert target.store("empty", chunks).size == 0
    assert target.stat("empty") == Stored("empty", 0)
    assert fetched(target, "empty") == b""


def test_chunks_may_be_any_buffer_and_be_used_again(target: Local) -> None:
    own = bytearray(b"one ")

    def chunks() -> Iterator[Buffer]:
        yield own
        own[:] = b"two and more "
        yield memoryview(own).toreadonly()
        yield array("I", [1, 2])

    target.store("key", chunks())
    assert fetched(target, "key") == b"one two and more " + array("I", [1, 2]).tobytes()


def test_a_chunk_may_be_large(target: Local) -> None:
    data = os.urandom(1 << 20) * 20
    assert target.store("key", [data]).size == len(data)
    assert fetched(target, "key") == data


@settings(max_examples=60)
@given(offset=st.integers(0, 2 * PIECE + 20), length=st.none() | st.integers(0, 3 * PIECE))
def test_a_window_of_a_file_is_a_slice_of_it(offset: int, length: int | None) -> None:
    pieces = list(WINDOWED.fetch("key", offset, length))
    end = None if length is None else offset + length
    assert b"".join(pieces) == WINDOW[offset:end]
    assert all(0 < len(piece) <= PIECE for piece in pieces)


WINDOW = os.urandom(2 * PIECE + 17)
WINDOWED: Local


@pytest.fixture(autouse=True, scope="module")
def _windowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global WINDOWED
    with Local("disk", LocalSettings(path=tmp_path_factory.mktemp("windowed"))) as WINDOWED:
        WINDOWED.store("key", [WINDOW])
        yield


def test_an_existing_key_is_an_error_before_the_source_is_asked(target: Local, root: Path) -> None:
    target.store("a/key", [b"first"])
    with pytest.raises(KeyExists, match="a/key"):
        target.store("a/key", NeverAsked())
    assert (root / "a/key").read_bytes() == b"first"
    assert everything(root) == {"a", "a/key"}


def test_a_key_that_appears_meanwhile_is_an_error_and_stays(target: Local, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"second"
        (root / "a/key").write_bytes(b"first")

    with pytest.raises(KeyExists):
        target.store("a/key", chunks())
    assert (root / "a/key").read_bytes() == b"first"
    assert everything(root) == {"a", "a/key"}


@pytest.mark.parametrize("taken", ["a", "a/key/below"])
def test_a_key_cannot_be_a_file_and_a_folder(target: Local, root: Path, taken: str) -> None:
    target.store(taken, [b"first"])
    before = everything(root)
    with pytest.raises(TargetError):
        target.store("a/key", NeverAsked())
    assert everything(root) == before


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), ConnectionResetError("peer"), KeyboardInterrupt(), ValueError("x")],
)
@pytest.mark.parametrize("after", [0, 3])
def test_what_the_source_raises_goes_on_and_nothing_stays(
    target: Local, root: Path, error: BaseException, after: int
) -> None:
    target.store("there/before", [b"x"])

    def chunks() -> Iterator[bytes]:
        yield from itertools.repeat(b"x" * 5000, after)
        raise error

    for key in ("new/folders/key", "there/key", "key"):
        with pytest.raises(type(error)) as raised:
            target.store(key, chunks())
        assert raised.value is error
    assert everything(root) == {"there", "there/before"}


def test_an_unfinished_file_is_neither_listed_nor_found(target: Local, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 5000
        assert len(everything(root)) == 2
        assert list(target.entries("a")) == []
        assert target.stat("a/key") is None
        assert list(target.leftovers()) == [], "its writer lives"
        yield b"y"

    target.store("a/key", chunks())
    assert list(target.entries("a")) == [Entry("a/key", 5001)]


def test_what_a_living_writer_has_open_is_not_discarded(target: Local, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        (unfinished,) = (root / "a").iterdir()
        token = f"a/{unfinished.name}"
        with pytest.raises(TargetError, match="being written"):
            target.discard(Leftover("a/key", token, 1, modified=WHENEVER))

    assert target.store("a/key", chunks()).size == 1


@given(BAD_KEYS)
def test_bad_keys_are_refused_by_everything(key: str) -> None:
    with tempfile.TemporaryDirectory() as above:
        root = Path(above, "target")
        root.mkdir()
        with Local("disk", LocalSettings(path=root)) as target:
            calls: list[Callable[[], object]] = [
                lambda: target.store(key, NeverAsked()),
                lambda: target.stat(key),
                lambda: list(target.fetch(key)),
                lambda: target.delete(key),
                lambda: target.discard(Leftover(key, key, 0, WHENEVER)),
                *([lambda: list(target.entries(key))] if key else []),
            ]
            for call in calls:
                with pytest.raises(KeyRefused):
                    call()
        assert everything(Path(above)) == {"target"}


@pytest.mark.parametrize(
    "token",
    [
        "../.key.0123456789abcdef.partial",
        "a/../.key.0123456789abcdef.partial",
        ".key.0123456789abcdef.partial",
        "a/key",
        "a/.key.0123456789abcdef",
        "",
    ],
)
def test_a_token_that_does_not_fit_its_key_is_refused(target: Local, root: Path, token: str) -> None:
    victim = root.parent / ".key.0123456789abcdef.partial"
    victim.write_bytes(b"x")
    with pytest.raises(KeyRefused):
        target.discard(Leftover("a/key", token, 0, WHENEVER))
    assert victim.exists()


def test_nothing_is_there(target: Local) -> None:
    target.store("a/file", [b"x"])
    for key in ("b", "b/c/d", "a", "a/b", "a/file/below"):
        assert target.stat(key) is None
        with pytest.raises(KeyMissing, match=key):
            next(target.fetch(key))
        target.delete(key)
    assert list(target.entries("b/c")) == []
    assert list(target.entries("a/file")) == []
    assert fetched(target, "a/file") == b"x"


def test_deleting_removes_the_folders_that_it_leaves_empty_and_no_other(target: Local, root: Path) -> None:
    for key in ("a/b/c/one", "a/b/two"):
        target.store(key, [b"x"])
    target.delete("a/b/c/one")
    assert everything(root) == {"a", "a/b", "a/b/two"}
    target.delete("a/b/two")
    assert everything(root) == set()
    target.delete("a/b/two")


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(target: Local, root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    target.delete("a/b/c/key")
    assert everything(root) == set()


def test_entries_leave_out_what_is_not_ours(target: Local, root: Path) -> None:
    target.store("a/file", [b"abc"])
    target.store("a/folder/inner", [b"abc"])
    (root / "lost+found").mkdir()
    (root / "a/with space").write_bytes(b"x")
    (root / "a/.hidden").write_bytes(b"x")
    (root / "a/.file.0123456789abcdef.partial").write_bytes(b"x")
    (root / "a/link").symlink_to("file")
    (root / "a/link-to-folder").symlink_to("folder")
    (root / os.fsdecode(b"a/\xff")).write_bytes(b"x")
    os.mkfifo(root / "a/pipe")
    assert list(target.entries()) == [Entry("a", None)]
    assert set(target.entries("a")) == {Entry("a/file", 3), Entry("a/folder", None)}


def test_leftovers_are_found_wherever_a_key_can_lead_and_nowhere_else(target: Local, root: Path) -> None:
    outside = root.parent / "outside"
    for folder in (root, root / "a/b", root / "a/.hidden", outside):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".key.xva.0123456789abcdef.partial").write_bytes(b"abc")
    (root / "a/link").symlink_to(outside)
    (root / "a/.link.0123456789abcdef.partial").symlink_to(outside)
    (root / "a/.bad name.0123456789abcdef.partial").write_bytes(b"x")
    (root / "a/.key.short.partial").write_bytes(b"x")
    found = sorted(target.leftovers(), key=lambda leftover: leftover.key)
    assert [(leftover.key, leftover.token, leftover.size) for leftover in found] == [
        ("a/b/key.xva", "a/b/.key.xva.0123456789abcdef.partial", 3),
        ("key.xva", ".key.xva.0123456789abcdef.partial", 3),
    ]
    for leftover in found:
        age = found[0].modified.timestamp() - (root / leftover.token).stat().st_mtime
        assert abs(age) < 2
        target.discard(leftover)
        target.discard(leftover)
    assert list(target.leftovers()) == []
    assert "a/b" not in everything(root)
    assert (outside / ".key.xva.0123456789abcdef.partial").exists()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_whatever_the_umask(target: Local, root: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        target.store("a/b/key", [b"x"])
        assert os.umask(mask) == mask, "the umask belongs to the whole process"
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((root / name).stat().st_mode) for name in ("a", "a/b", "a/b/key")}
    assert modes == {"a": 0o700, "a/b": 0o700, "a/b/key": 0o600}


def test_a_folder_that_was_there_keeps_its_mode(target: Local, root: Path) -> None:
    (root / "a").mkdir()
    (root / "a").chmod(0o755)
    target.store("a/key", [b"x"])
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o755


def test_what_takes_the_place_of_the_root_gets_nothing(target: Local, root: Path) -> None:
    moved = root.rename(root.parent / "moved")
    root.mkdir()
    target.store("a/key", [b"x"])
    assert everything(root) == set()
    assert everything(moved) == {"a", "a/key"}


def test_the_working_folder_does_not_matter(
    target: Local, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    target.store("a/key", [b"x"])
    assert everything(root) == {"a", "a/key"}
    assert everything(elsewhere) == set()


def test_a_target_can_be_entered_again(root: Path) -> None:
    target = Local("disk", LocalSettings(path=root))
    with target:
        target.store("key", [b"x"])
    with target:
        assert target.stat("key") == Stored("key", 1)
    with pytest.raises(RuntimeError):
        target.stat("key")


class Cabinet(FolderTarget[LocalSettings]):
    """Another target over a folder, with advice of its own."""

    name = "cabinet"
    advice: ClassVar = {**ADVICE, errno.ENOENT: "Ask for the key to the cabinet."}

    def __enter__(self) -> Self:
        self.open_root(self.settings.path)
        return self


def test_every_target_over_a_folder_says_in_its_own_words_what_to_do(root: Path) -> None:
    with Cabinet("attic", LocalSettings(path=root)) as target:
        target.store("a/key", [b"x"])
        assert fetched(target, "a/key") == b"x"
    with (
        pytest.raises(TargetError, match=f"target attic: the folder could not be opened: .*{root}/absent") as raised,
        Cabinet("attic", LocalSettings(path=root / "absent")),
    ):
        pytest.fail("it was entered")
    assert raised.value.advice == "Ask for the key to the cabinet."


def test_free_is_what_the_file_system_says(target: Local, root: Path) -> None:
    found = os.statvfs(root)
    free = target.free()
    assert free is not None
    assert abs(free - found.f_bavail * found.f_frsize) < 1 << 30


def test_of_many_who_store_one_key_exactly_one_wins(target: Local, root: Path) -> None:
    writers = 8
    outcomes: dict[int, Stored | None] = {}
    together = threading.Barrier(writers)

    def store(number: int) -> None:
        def chunks() -> Iterator[bytes]:
            together.wait()
            yield bytes([number]) * 100_000
            together.wait()

        try:
            outcomes[number] = target.store("a/b/key", chunks())
        except KeyExists:
            outcomes[number] = None

    in_threads([partial(store, number) for number in range(writers)])
    won = [number for number, stored in outcomes.items() if stored is not None]
    assert len(outcomes) == writers
    assert len(won) == 1
    assert fetched(target, "a/b/key") == bytes(won) * 100_000
    assert everything(root) == {"a", "a/b", "a/b/key"}


def test_storing_and_deleting_in_the_same_folders_disturb_nobody(target: Local, root: Path) -> None:
    def work(number: int) -> None:
        for turn in range(150):
            key = f"a/b/c/{number}-{turn}"
            target.store(key, [key.encode()])
            assert fetched(target, key) == key.encode()
            target.delete(key)
            assert target.stat(key) is None

    in_threads([partial(work, number) for number in range(4)])
    assert everything(root) == set()


def in_threads(calls: list[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert failed == []
