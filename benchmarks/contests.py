"""A target against the tool that somebody would use instead, on the same bytes in the same minute."""

import mmap
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file in the page cache that everybody stores. `folder`, on the disk to be measured, is for whoever needs it."""

    path: Path
    size: int
    folder: Path

    def pieces(self) -> Iterator[memoryview]:
        """Read it as a backup's bytes arrive: 1 MiB at a time, in memory that is used again."""
        with self.path.open("rb", buffering=0) as file, mmap.mmap(-1, MIB) as buffer, memoryview(buffer) as view:
            while length := file.readinto(view):
                with view[:length] as piece:
                    yield piece


@dataclass(frozen=True)
class Contest:
    """One line of the table: `ours` and `theirs` each move `size` bytes once; `clean` removes what they have made.

    `goal` is the ratio of their seconds to ours that is wanted at least, if any is.
    """

    name: str
    tool: str
    goal: float | None
    size: int
    ours: Callable[[], object]
    theirs: Callable[[], object]
    clean: Callable[[], object]


# A server, a mount or nothing at all is there for as long as its contests take.
Arena = Callable[[Source], AbstractContextManager[list[Contest]]]


@dataclass(frozen=True)
class Taken:
    """What moving the bytes once has taken, in seconds; the processor's include all children."""

    seconds: float
    processor: float


@dataclass(frozen=True)
class Result:
    """The medians of a contest."""

    contest: Contest
    ours: Taken
    theirs: Taken
    ratio: float


def fight(contest: Contest, rounds: int) -> Result:
    """Let both move the bytes, each round the other one first; return the medians."""
    pairs = []
    for number in range(rounds):
        first, second = (contest.ours, contest.theirs) if number % 2 == 0 else (contest.theirs, contest.ours)
        taken = [_take(contest, turn) for turn in (first, second)]
        pairs.append(taken if number % 2 == 0 else taken[::-1])
    ratio = statistics.median(theirs.seconds / ours.seconds for ours, theirs in pairs)
    ours, theirs = (_median([pair[side] for pair in pairs]) for side in (0, 1))
    return Result(contest, ours, theirs, ratio)


def _take(contest: Contest, turn: Callable[[], object]) -> Taken:
    os.sync()
    before, started = processor(), time.monotonic()
    turn()
    taken = Taken(time.monotonic() - started, processor() - before)
    contest.clean()
    return taken


def processor() -> float:
    """Return the seconds of processor time that this process and its children have taken so far."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _median(taken: list[Taken]) -> Taken:
    return Taken(statistics.median(one.seconds for one in taken), statistics.median(one.processor for one in taken))


def table(results: list[Result]) -> str:
    """Return the results as a table in Markdown."""
    lines = [
        "| | ours, MiB/s | the tool | its MiB/s | ratio | wanted | CPU s/GiB, ours | its |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        size = result.contest.size
        ours, theirs = (size / MIB / taken.seconds for taken in (result.ours, result.theirs))
        own, its = (taken.processor * 1024 * MIB / size for taken in (result.ours, result.theirs))
        goal = f"{result.contest.goal:.1f}" if result.contest.goal else ""
        lines.append(
            f"| {result.contest.name} | {ours:.0f} | `{result.contest.tool}` | {theirs:.0f}"
            f" | **{result.ratio:.2f}** | {goal} | {own:.2f} | {its:.2f} |"
        )
    return "\n".join(lines)
