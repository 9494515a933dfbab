"""`local` against dd, on the disk that holds the working folder."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contests import MIB, Contest, Source

from vmbackup_targets.local import Local, LocalSettings

KEY = "pool/vm/image.xva"
RAW = "pool/vm/disk-0.raw"


@contextmanager
def local(source: Source) -> Iterator[list[Contest]]:
    """Store the file, and an image of the same size of which every second MiB is zero."""
    root = source.folder / "target"
    root.mkdir()
    half = Source(_half_zero(source), source.size, source.folder)
    with Local("disk", LocalSettings(path=root)) as target:

        def contest(name: str, key: str, content: Source, how: str) -> Contest:
            out = source.folder / "dd"

            def clean() -> None:
                target.delete(key)
                out.unlink(missing_ok=True)

            return Contest(
                name=name,
                tool=f"dd bs=1M conv={how}",
                goal=0.9,
                size=source.size,
                ours=lambda: target.store(key, content.pieces()),
                theirs=lambda: _dd(content.path, out, how),
                clean=clean,
            )

        yield [
            contest("local, store", KEY, source, "fsync"),
            contest("local, store, a raw image with holes", RAW, half, "sparse,fsync"),
        ]
    half.path.unlink()


def _dd(source: Path, out: Path, how: str) -> None:
    subprocess.run(["dd", f"if={source}", f"of={out}", "bs=1M", f"conv={how}"], check=True, capture_output=True)


def _half_zero(source: Source) -> Path:
    path = source.path.with_suffix(".half")
    with path.open("wb") as file:
        for number, piece in enumerate(source.pieces()):
            file.write(bytes(MIB) if number % 2 else piece)
    return path
