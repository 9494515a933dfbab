"""`make bench-targets`: how fast targets are, over the tools that a user would pick, as ratios in one run.

Every target stores (and where it says so fetches) the same file, which lies in the page cache, in pieces of 1 MiB, up
to the end of its flush; the tool does the same with the same file. They take turns, and each figure is the median of
the rounds; the ratio is the median of each round's own.
"""

import sys

from benchmarks.arenas import compete
from benchmarks.contests import Arena, table
from benchmarks.local_contests import local
from benchmarks.nfs_contests import nfs
from benchmarks.smb_contests import smb_encrypted, smb_signed

ARENAS: tuple[Arena, ...] = (local, smb_signed, smb_encrypted)


def main() -> None:
    """Print the table."""
    results, rounds = compete(__doc__, ARENAS)
    sys.stderr.write("nfs …\n")
    results += nfs(rounds)
    print(table(results))


if __name__ == "__main__":
    main()
