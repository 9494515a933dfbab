"""What stands still or takes too long is given up, and cleaned up after."""

import threading
import time

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.results import exit_code
from vmbackup.simulator import BodyHook, DiskSpec


@pytest.mark.parametrize("body", ["", 'method = "vdi-export"'])
def test_an_export_that_stands_still_is_given_up(world: World, body: str) -> None:
    world.configure(job("web*", more=f'stall = "1s"\n{body}'))
    before, go_on = world.records(), threading.Event()
    path = "/export_raw_vdi" if body else "/export"
    world.pool.faults.add(BodyHook(path=path, after=MIB, run=lambda: _wait(go_on, 3)))
    started = time.monotonic()
    report = world.run()
    assert time.monotonic() - started < 30
    assert exit_code(report) == 4
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert (failure.step, failure.code) == ("export", "Stalled")
    assert world.records() == before
    assert world.journals() == []


@pytest.mark.parametrize("entry", [True, False], ids=["the VM's", "the job's"])
def test_what_takes_longer_than_it_may_is_given_up(world: World, *, entry: bool) -> None:
    world.pool.add_vm("web 02", [DiskSpec(MIB, seed=9)])
    limit = 'max-duration = "2s"'
    world.configure(job("web*", more="" if entry else limit) + (limit if entry else ""))
    before, go_on = world.records(), threading.Event()
    world.pool.faults.add(BodyHook(after=MIB, run=lambda: _wait(go_on, 4)))
    report = world.run()
    first, second = report.results
    assert first.outcomes[0].failure is not None
    assert first.outcomes[0].failure.code == "TimeUp"
    if entry:
        assert exit_code(report) == 3
        assert second.good
    else:
        assert exit_code(report) == 4
        assert second.outcomes[0].failure is not None
        assert second.outcomes[0].failure.step == "begin"
    assert world.records() == before


def _wait(event: threading.Event, seconds: float) -> None:
    event.wait(seconds)
