"""`make bench-compress`: how fast zstd in the stream is, over what a shell would do with curl and the program zstd.

They take turns, and each figure is the median of the rounds, of which the first does not count. There are two ratios of
the tool's seconds to ours: the median of each round's own, and that of the medians. `size` is what we make of the disk
over what the tool makes of it, `load` the machine's at the end.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.compress_contests import Packed, Packing, packings
from benchmarks.contests import MIB

HEAD = """\
| | ours, MiB/s | the tool | its MiB/s | ratio | of medians | wanted | CPU s/GiB, ours | its | pool | size | load |
|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB in the disk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None, help="a folder on the disk to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.dir) as name, packings(Path(name), arguments.size * MIB) as found:
        print(HEAD)
        for packing in found:
            print(_line(packing, _rounds(packing, arguments.rounds), arguments.size), flush=True)


def _rounds(packing: Packing, count: int) -> list[tuple[Packed, Packed]]:
    """Let both pack the content, each round the other one first; return ours and theirs of all rounds but the first."""
    rounds = []
    for number in range(count + 1):
        sys.stderr.write(f"{packing.name}, round {number} of {count} …\n")
        if number % 2:
            ours, theirs = _turn(packing.ours), _turn(packing.theirs)
        else:
            theirs, ours = _turn(packing.theirs), _turn(packing.ours)
        rounds.append((ours, theirs))
    return rounds[1:]


def _turn(side: Callable[[], Packed]) -> Packed:
    os.sync()
    return side()


def _line(packing: Packing, rounds: list[tuple[Packed, Packed]], mebibytes: int) -> str:
    def median(side: int, of: Callable[[Packed], float]) -> float:
        return statistics.median(of(pair[side]) for pair in rounds)

    seconds = [median(side, lambda packed: packed.taken.wall) for side in (0, 1)]
    own, its = (median(side, lambda packed: packed.taken.processor) * 1024 / mebibytes for side in (0, 1))
    pool = median(0, lambda packed: packed.taken.pool) * 1024 / mebibytes
    ratio = statistics.median(theirs.taken.wall / ours.taken.wall for ours, theirs in rounds)
    size = rounds[0][0].size / rounds[0][1].size
    return (
        f"| {packing.name} | {mebibytes / seconds[0]:.0f} | `{packing.tool}` | {mebibytes / seconds[1]:.0f}"
        f" | **{ratio:.2f}** | {seconds[1] / seconds[0]:.2f} | {packing.goal:.1f} | {own:.2f} | {its:.2f} | {pool:.2f}"
        f" | {size:.3f} | {os.getloadavg()[0]:.1f} |"
    )


if __name__ == "__main__":
    main()
