"""Runs that are told to a board step by step."""

from collections.abc import Sequence

from tests.core.builders import RUN, vm

from vmbackup.config import Keep
from vmbackup.live import Board
from vmbackup.plan import Plan, Task

MIB = 1 << 20


def task(name: str, estimate: int = 8 * MIB) -> Task:
    return Task(vm(name), "vm-export", (), Keep(last=1), estimate)


def plan(tasks: Sequence[Task]) -> Plan:
    return Plan("weekend", ("nas",), None, tuple(tasks), (), (), ())


def begun(*tasks: Task) -> Board:
    """A board that knows the plan."""
    board = Board()
    board.began(RUN)
    board.planned(plan(tasks))
    return board
