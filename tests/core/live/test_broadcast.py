"""A run shows itself to who attaches, and is held up by nobody: real sockets, and guests that misbehave."""

import socket
import stat
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from tests.core.builders import RUN, report, result
from tests.core.live.runs import begun, task

from vmbackup.live import Board, Broadcast, Picture, attached, last_ended, under_way
from vmbackup.live.picture import PICTURE
from vmbackup.live.place import address, folder_in
from vmbackup.state import State

JOB = "weekend"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ("a-folder-with-a-long-name-" * 5) / "state")


@pytest.fixture
def board() -> Board:
    """So many VMs that a few pictures fill a socket."""
    return begun(*(task(f"{number} {'x' * 200}") for number in range(400)))


@pytest.fixture
def broadcast(state: State, board: Board) -> Iterator[Broadcast]:
    shown = Broadcast(state.folder, board.picture)
    shown.began(RUN)
    yield shown
    shown.finished(report())


def pictures(state: State) -> Iterator[Picture]:
    return (picture for picture in attached(state, JOB, 60) if picture)


def test_who_attaches_late_sees_all_so_far_and_then_the_end(state: State, board: Board, broadcast: Broadcast) -> None:
    board.vm_done(result("mail"))
    seen = pictures(state)
    first = next(seen)
    assert (first.job, first.run, first.vms, first.counts["good"]) == (JOB, RUN.id, 401, 1)
    assert first.rows[0].vm == "mail"
    board.vm_done(result("db", good=False))
    assert next(one for one in seen if one.counts.get("failed")).ended is None
    board.finished(report(result("mail")))
    broadcast.finished(report())
    kept = last_ended(state, JOB)
    assert kept is not None
    assert (kept.run, kept.code, kept.ended is not None) == (RUN.id, 0, True)
    *_, last = seen
    assert last.ended is None or (last.code, last.counts) == (kept.code, kept.counts), "it came, or was too late"


def test_several_watch_and_those_who_leave_cost_nothing(state: State, broadcast: Broadcast) -> None:
    several = [pictures(state) for _ in range(3)]
    assert [next(one).job for one in several] == [JOB] * 3
    for one in several[:2]:
        one.close()  # type: ignore[attr-defined]
    assert len(list(islice(several[2], 3))) == 3


def test_more_than_can_be_served_are_turned_away(state: State, broadcast: Broadcast) -> None:
    several = [pictures(state) for _ in range(16)]
    assert all(next(one).job == JOB for one in several)
    assert next(pictures(state), None) is None
    assert next(several[0]).job == JOB


def test_who_does_not_read_holds_up_neither_the_others_nor_the_end(
    state: State, board: Board, broadcast: Broadcast
) -> None:
    with socket.socket(socket.AF_UNIX) as hanging, address(folder_in(state.folder), JOB) as path:
        hanging.connect(path)
        seen = pictures(state)
        room = hanging.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        came = 0
        while came < 2 * room:
            came += len(PICTURE.dump_json(next(seen)))
        board.finished(report())
        broadcast.finished(report())
        data = b"".join(iter(lambda: hanging.recv(1 << 20), b""))
    assert 0 < len(data) <= room + (1 << 18), "nothing has piled up for it"
    assert len(list(seen)) < 10, "the other one is let go, too"


def test_whoever_sends_something_is_not_listened_to(state: State, broadcast: Broadcast) -> None:
    with socket.socket(socket.AF_UNIX) as loud, address(folder_in(state.folder), JOB) as path:
        loud.connect(path)
        loud.sendall(b"x" * 10_000)
        assert len(list(islice(pictures(state), 3))) == 3


def test_nobody_else_may_look(state: State, broadcast: Broadcast) -> None:
    folder = folder_in(state.folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{JOB}.socket").stat().st_mode) == 0o600
    broadcast.finished(report())
    assert stat.S_IMODE((folder / f"{JOB}.json").stat().st_mode) == 0o600
    assert not (folder / f"{JOB}.socket").exists()


def test_what_a_dead_run_has_left_is_known_as_such_and_taken_over(state: State, board: Board) -> None:
    folder = folder_in(state.folder)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead, address(folder, JOB) as path:
        dead.bind(path)
    assert under_way(state) == []
    shown = Broadcast(state.folder, board.picture)
    shown.began(RUN)
    assert under_way(state) == [JOB]
    assert next(pictures(state)).run == RUN.id
    shown.finished(report())
    assert under_way(state) == []


def test_where_there_can_be_no_socket_there_is_none_and_nothing_else_happens(state: State, board: Board) -> None:
    """A full disk, as the kernel tells of it."""
    folder = folder_in(state.folder)
    folder.mkdir()
    options = "nr_inodes=1,size=4k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        shown = Broadcast(state.folder, board.picture)
        shown.began(RUN)
        board.finished(report())
        shown.finished(report())
        assert list(folder.iterdir()) == []
        assert under_way(state) == []
        assert last_ended(state, JOB) is None
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_in_the_way_is_no_reason_to_fail_either(state: State, board: Board) -> None:
    folder_in(state.folder).write_text("something else")
    shown = Broadcast(state.folder, board.picture)
    shown.began(RUN)
    shown.finished(report())
    assert last_ended(state, JOB) is None


def test_what_is_kept_of_another_version_is_nothing(state: State) -> None:
    folder_in(state.folder).mkdir()
    (folder_in(state.folder) / f"{JOB}.json").write_text('{"job": 1}')
    assert last_ended(state, JOB) is None
