"""`make bench-verify`: how fast `verify --full` is, over the tool that only reads and hashes or unpacks the same image.

The image lies in the page cache. They take turns, and each figure is the median of the rounds; the ratio is the median
of each round's own.
"""

from benchmarks.arenas import compete
from benchmarks.contests import table
from benchmarks.verify_contests import verifying

if __name__ == "__main__":
    print(table(compete(__doc__, [verifying])[0]))
