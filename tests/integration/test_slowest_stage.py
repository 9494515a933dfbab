"""Whatever holds up a stream is named: each stage in turn stands still in a whole run, until it is."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from tests.integration.world import World, job
from typing_extensions import Buffer

from vmbackup import Export, ImageCheck, Scratch, Stored
from vmbackup.images import Evidence
from vmbackup.live import Board, Row
from vmbackup.methods.vm_export import VmExport
from vmbackup.models import VM
from vmbackup.registry import Registered
from vmbackup.results import Report
from vmbackup.run import run_job
from vmbackup.simulator import Stall
from vmbackup_compressors.none import Uncompressed
from vmbackup_targets.local import Local

MIB = 1 << 20


class Gate:
    """Where a stage stands still: it may go on once it has been named."""

    here: ClassVar[threading.Event]
    go_on: ClassVar[threading.Event]

    @classmethod
    def close(cls) -> None:
        cls.here, cls.go_on = threading.Event(), threading.Event()

    @classmethod
    def pass_through(cls) -> None:
        cls.here.set()
        assert cls.go_on.wait(60)


class SlowTarget(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, self._slowly(chunks) if "image" in key else chunks)

    def _slowly(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            yield chunk
            Gate.pass_through()


class SlowCompressor(Uncompressed):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            Gate.pass_through()
            yield chunk


class SlowCheck(ImageCheck):
    def __init__(self, check: ImageCheck) -> None:
        self._check = check

    def feed(self, piece: Buffer) -> Buffer:
        Gate.pass_through()
        return self._check.feed(piece)

    def close(self) -> Evidence:
        return self._check.close()


class SlowToCheck(VmExport):
    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        export = super().begin(scratch, vm, packing)
        return replace(export, check=lambda: SlowCheck(export.check()))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


SLOW: dict[str, tuple[tuple[str, str], type]] = {
    "target disk": (("target", "local"), SlowTarget),
    "compression": (("compressor", "none"), SlowCompressor),
    "checks": (("method", "vm-export"), SlowToCheck),
}


@pytest.mark.parametrize("stage", ["pool or network", *SLOW])
def test_the_stage_that_holds_up_a_stream_is_named(world: World, stage: str) -> None:
    world.configure(job("web*", more='compress = { with = "none" }'))
    site, board, reports = world.site(), Board(), list[Report]()
    Gate.close()
    if stage in SLOW:
        place, slow = SLOW[stage]
        known = site.registry.plugins[place]
        site.registry.plugins[place] = Registered(slow, known.distribution, known.version)
    else:
        world.pool.faults.add(Stall(path="/export", after=MIB))
        Gate.here.set()
    run = threading.Thread(target=lambda: reports.append(run_job(site, "test", board)))
    run.start()
    try:
        assert Gate.here.wait(60)
        until(lambda: [row.slowest for row in _rows(board) if row.state == "under way"] == [stage])
    finally:
        Gate.go_on.set()
        world.pool.faults.clear()
        run.join(60)
    (report,) = reports
    assert report.succeeded == 1


def _rows(board: Board) -> list[Row]:
    picture = board.picture()
    return list(picture.rows) if picture else []
