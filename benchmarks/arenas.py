"""The file that everybody moves, and one arena after the other, as the command line asks for."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contests import MIB, Arena, Result, Source, fight


def compete(about: str | None, arenas: Sequence[Arena]) -> tuple[list[Result], int]:
    """Read the command line, hold all contests, and return their results and the number of rounds."""
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
    return results, arguments.rounds
