import time

from tests.core.builders import FAILURE, RUN, report, result
from tests.core.live.runs import MIB, begun, plan, task

from vmbackup.live import Board, Picture
from vmbackup.live.board import ROWS, SAID
from vmbackup.live.picture import PICTURE
from vmbackup.results import Failure
from vmbackup.stages import CHECKS, POOL, Stages


def seen(board: Board) -> Picture:
    picture = board.picture()
    assert picture is not None
    return picture


def test_before_a_run_there_is_no_picture() -> None:
    assert Board().picture() is None


def test_a_run_that_has_no_plan_yet_says_what_it_is_at() -> None:
    board = Board()
    board.began(RUN)
    picture = seen(board)
    assert (picture.job, picture.planned, picture.doing, picture.vms) == ("weekend", False, "begin", 0)


def test_vms_wait_go_on_and_end() -> None:
    web, mail, db = task("web"), task("mail"), task("db")
    board = begun(web, mail, db)
    assert [row.state for row in seen(board).rows] == ["waiting"] * 3
    board.step(web, "snapshot")
    assert [(row.vm, row.state) for row in seen(board).rows] == [
        ("web", "under way"),
        ("mail", "waiting"),
        ("db", "waiting"),
    ]
    board.vm_done(result("web"))
    board.step(mail, "begin")
    board.vm_done(result("mail", good=False))
    rows = {row.vm: row for row in seen(board).rows}
    assert (rows["web"].state, rows["mail"].state, rows["db"].state) == ("good", "failed", "waiting")
    assert rows["mail"].step == "export: SR_BACKEND_FAILURE_44"
    assert seen(board).counts == {"waiting": 1, "under way": 0, "good": 1, "failed": 1}


def test_bytes_are_counted_and_how_much_is_left_follows_from_the_rate() -> None:
    web = task("web", 8 * MIB)
    board = begun(web, task("mail", 4 * MIB))
    board.step(web, "export")
    board.streaming(web, Stages())
    board.sent(web, 6 * MIB)
    deadline = time.monotonic() + 60
    while not (row := seen(board).rows[0]).rate:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert row.read == 6 * MIB
    assert 0 < row.rate <= 4 * MIB, "six in at least one and a half seconds"
    assert row.left is not None
    assert abs(row.left * row.rate - 2 * MIB) < 1
    whole = seen(board)
    assert whole.left is not None
    assert abs(whole.left * whole.rate - 6 * MIB) < 1
    board.step(web, "publish")
    assert (seen(board).rows[0].rate, seen(board).rows[0].left) == (0.0, None)


def test_other_vms_are_thought_to_be_as_full_as_those_that_are_done() -> None:
    """The estimate is the most that can come: disks have holes."""
    web, mail = task("web", 16 * MIB), task("mail", 32 * MIB)
    board = begun(web, mail, task("db", 64 * MIB))
    board.step(web, "export")
    board.vm_done(result("web"))  # 4 MiB read of at most 16
    picture = seen(board)
    assert picture.left is not None
    assert abs(picture.left * picture.rate - 24 * MIB) < 1
    board.step(mail, "export")
    board.streaming(mail, Stages())
    board.sent(mail, 3 * MIB)
    picture = seen(board)
    assert picture.left is not None
    assert abs(picture.left * picture.rate - 21 * MIB) < 1
    board.sent(mail, 20 * MIB)
    picture = seen(board)
    assert picture.left is not None
    assert abs(picture.left * picture.rate - 16 * MIB) < 1, "a VM that is fuller than thought"


def test_another_attempt_begins_from_nothing() -> None:
    web = task("web")
    board = begun(web)
    board.step(web, "export")
    board.streaming(web, Stages())
    board.sent(web, 3 * MIB)
    board.step(web, "begin")
    board.streaming(web, Stages())
    assert seen(board).rows[0].read == 0


def test_the_slowest_stage_is_named_for_the_vm_and_for_the_run() -> None:
    web, mail, stages = task("web"), task("mail"), Stages()
    board = begun(web, mail)
    board.step(web, "export")
    board.streaming(web, stages)
    stages.reading.turn(CHECKS)
    assert seen(board).rows[0].slowest == CHECKS
    board.vm_done(result("web"))
    assert seen(board).rows[0].slowest == CHECKS
    assert seen(board).slowest == CHECKS
    other = Stages()
    board.step(mail, "export")
    board.streaming(mail, other)
    other.reading.turn(POOL)
    assert seen(board).rows[1].slowest == POOL


def test_a_picture_stays_small_with_thousands_of_vms() -> None:
    tasks = [task(f"vm {number}") for number in range(3000)]
    board = begun(*tasks)
    for one in tasks[:1000]:
        board.step(one, "export")
        board.vm_done(result(one.vm.name))
        board.warned(Failure("cleanup", "X", one.vm.name))
    picture = seen(board)
    assert picture.counts == {"waiting": 2000, "under way": 0, "good": 1000}
    assert len(picture.rows) == 2 * ROWS
    assert picture.rows[ROWS - 1].vm == "vm 999", "the last that are done"
    assert picture.rows[ROWS].vm == "vm 1000", "the next that wait"
    assert len(picture.said) == SAID
    assert picture.warnings == 1000
    assert len(PICTURE.dump_json(picture)) < 200_000


def test_how_it_ended_stands_still() -> None:
    board = Board(strict=True)
    board.began(RUN)
    board.planned(plan([task("web")]))
    board.vm_done(result("web", warnings=[FAILURE]))
    board.finished(report(result("web", warnings=[FAILURE])))
    first, second = seen(board), seen(board)
    assert (first.code, first.seconds) == (5, second.seconds)
    assert first.ended is not None


def test_a_picture_survives_the_way_to_who_watches() -> None:
    web = task('we"b\n\x1b[31m')
    board = begun(web, task("日本"))
    board.step(web, "export")
    picture = seen(board)
    assert PICTURE.validate_json(PICTURE.dump_json(picture)) == picture
    assert b"\n" not in PICTURE.dump_json(picture)
