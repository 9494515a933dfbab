"""Work on several threads whose results come in the order in which it was given out."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")
# Each thread holds what it works on and what it has made of it; a machine with more processors has other work for them.
MOST: Final = 8


def usual_threads() -> int:
    """Return how many threads are sensible here: one for each processor that we may use, and eight at most."""
    return min(len(os.sched_getaffinity(0)), MOST)


def in_order(work: Callable[[T], U], items: Iterable[T], threads: int) -> Generator[U, None, None]:
    """Yield `work(item)` for each item, while the next ones are being worked on and one more waits for its turn.

    `work` runs on `threads` threads, `items` are taken on the caller's. Raises what `items` raises at once, and what
    `work` raises in its turn. When this is closed early, what is being worked on is left to end by itself.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="vmbackup-compressor")
    begun: deque[Future[U]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            while begun and (len(begun) > threads or begun[0].done()):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
