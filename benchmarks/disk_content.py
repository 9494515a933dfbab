"""The content of a disk that packs as the system disk of a server does, the same every time it is made.

At level 3 of zstd it comes to 46 %, its parts to between nothing and all of it. Runs of 4 KiB to 2 MiB of each kind
follow each other.
"""

import random
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

MIB = 1 << 20
PAGE = 4 << 10
LONGEST = 512
BASE = 16


def write_disk(path: Path, size: int) -> None:
    """Write so many bytes of it into a new file."""
    with path.open("wb") as file:
        for run in _runs(size):
            file.write(run)


def _runs(size: int) -> Iterator[memoryview]:
    bases = {kind: memoryview(b"".join(_mib(kind, number) for number in range(BASE))) for kind in SHARES}
    chooser = random.Random("runs")
    while size:
        (kind,) = chooser.choices(list(SHARES), list(SHARES.values()))
        length = min(size, PAGE * chooser.randint(1, LONGEST))
        start = 512 * chooser.randrange((BASE * MIB - length) // 512 + 1)
        yield bases[kind][start : start + length]
        size -= length


def _mib(kind: Callable[[random.Random], bytes], number: int) -> bytes:
    return kind(random.Random(f"{kind.__name__} {number}"))[:MIB].ljust(MIB, b"\0")


def _prose(chooser: random.Random) -> bytes:
    """Words, of which few are frequent."""
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    words = ["".join(chooser.choices(letters, k=max(2, int(chooser.gauss(6, 2.5))))) for _ in range(6000)]
    often = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    return " ".join(chooser.choices(words, cum_weights=often, k=MIB // 6)).encode()


def _log(chooser: random.Random) -> bytes:
    """Lines that differ in their numbers."""
    said = (
        "session opened for user {}",
        "GET /api/v1/items/{} HTTP/1.1 200",
        "connection from 10.0.{}.7 closed",
        "eth0: {} up",
    )
    lines = (
        f"{1_700_000_000 + 3 * number} web{chooser.randrange(12):02} proc[{chooser.randrange(300, 9999)}]: "
        f"{chooser.choice(said).format(chooser.randrange(100_000))}\n"
        for number in range(MIB // 45)
    )
    return "".join(lines).encode()


def _program(chooser: random.Random) -> bytes:
    """Short sequences, of which few are frequent, with operands and padding between them."""
    codes = [chooser.randbytes(chooser.randint(2, 12)) for _ in range(3000)]
    often = list(accumulate(1 / (rank + 10) for rank in range(len(codes))))
    gaps = (b"", *(bytes(length) for length in range(1, 7)), *(None,) * 6)
    parts = []
    for code in chooser.choices(codes, cum_weights=often, k=MIB // 6):
        gap = chooser.choice(gaps)
        parts += [code, chooser.randbytes(chooser.choice((1, 1, 2, 4))) if gap is None else gap]
    return b"".join(parts)


def _table(chooser: random.Random) -> bytes:
    """Records of a database."""
    states = (b"ACTIVE  ", b"DELETED ", b"PENDING ")
    first = chooser.randrange(1 << 20)
    rows = (
        (first + 3 * number).to_bytes(8, "little")
        + chooser.randrange(3000).to_bytes(4, "little")
        + chooser.randbytes(3)
        + bytes(5)
        + chooser.choice(states)
        + chooser.randbytes(4)
        for number in range(MIB // 32)
    )
    return b"".join(rows)


def _noise(chooser: random.Random) -> bytes:
    """What is packed or encrypted already."""
    return chooser.randbytes(MIB)


def _zeros(_chooser: random.Random) -> bytes:
    """What nobody has written yet."""
    return bytes(MIB)


SHARES: dict[Callable[[random.Random], bytes], int] = {
    _prose: 15,
    _log: 10,
    _program: 25,
    _table: 10,
    _noise: 25,
    _zeros: 15,
}
