"""`make bench-targets`: how fast targets are, over the tools that a user would pick, as ratios in one run.

Every target stores (and where it says so fetches) the same file, which lies in the page cache, in pieces of 1 MiB, up
to the end of its flush; the tool does the same with the same file. They take turns, and each figure is the median of
the rounds; the ratio is the median of each round's own.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contests import MIB, Arena, Source, fight, table
from benchmarks.local_contests import local
from benchmarks.nfs_contests import nfs
from benchmarks.smb_contests import smb_encrypted, smb_signed

ARENAS: tuple[Arena, ...] = (local, smb_signed, smb_encrypted)


def main(about: str | None = __doc__, arenas: Sequence[Arena] = ARENAS) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--size", type=int, default=1024, help="MiB in the file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None, help="a folder on the disk to be measured")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=arguments.dir) as name:
        path = Path(name, "source")
        with path.open("wb") as file:
            for _ in range(arguments.size):
                file.write(os.urandom(MIB))
        for arena in arenas:
            folder = Path(name, arena.__name__)
            folder.mkdir()
            with arena(Source(path, arguments.size * MIB, folder)) as contests:
                for contest in contests:
                    sys.stderr.write(f"{contest.name} …\n")
                    results.append(fight(contest, arguments.rounds))
    sys.stderr.write("nfs …\n")
    results += nfs(arguments.rounds)
    print(table(results))


if __name__ == "__main__":
    main()
