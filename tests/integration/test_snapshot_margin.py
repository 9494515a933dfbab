"""A snapshot that the storage should be spared is not even asked for; one that the pool never answers is given up."""

import time

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.results import exit_code
from vmbackup.simulator import CallHook, DiskSpec
from vmbackup.simulator.pool import Pool

METHODS = ["vm-export", "vdi-export"]
CALLS = {"vm-export": "VM.snapshot", "vdi-export": "VDI.snapshot"}


def lengthen(pool: Pool, vm: str, images: int) -> None:
    """Put base copies under a VM's first disk until its chain has so many images."""
    drives = [pool.db.get("VBD", ref) for ref in pool.db.get("VM", vm)["VBDs"]]
    (first,) = [drive["VDI"] for drive in drives if drive["userdevice"] == "0"]
    disk = pool.db.get("VDI", first)
    below = ""
    for _ in range(images - 1):
        fields = {"SR": disk["SR"], "name_label": "base copy", "managed": False, "virtual_size": disk["virtual_size"]}
        ref = pool.db.create("VDI", {**fields, "type": "user", "sm_config": {"vhd-parent": below} if below else {}})
        below = pool.db.get("VDI", ref)["uuid"]
        pool.disks.make(below, DiskSpec(disk["virtual_size"]))
    pool.db.set("VDI", first, sm_config={"vhd-parent": below})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("images", [27, 28])
def test_a_chain_near_its_end(world: World, method: str, images: int) -> None:
    with world.pool.editing() as pool:
        (ref,) = pool.db.find("VM", name_label="web 01")
        lengthen(pool, ref, images)
    world.configure(job("web*", more=f'method = "{method}"'))
    refused(world, method, "28 images" if images == 28 else None, "max-chain")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("room", [22, 23])
def test_a_thick_sr_without_room(world: World, method: str, room: int) -> None:
    """The volume of a disk of 8 MiB has 20 MiB, and 3 MiB are to stay free."""
    thick = world.pool.add_sr("SAN", type="lvm", shared=True)
    world.pool.add_vm("thick", [DiskSpec(8 * MIB, seed=5)], sr=thick)
    with world.pool.editing() as pool:
        sr = pool.db.by_uuid("SR", thick)
        used = pool.db.get("SR", sr)["physical_utilisation"]
        pool.db.set("SR", sr, physical_size=used + room * MIB)
    margin = '[pool.snapshots]\nkeep-free = "3MiB"\n'
    world.configure(margin + job("thick", more=f'method = "{method}"'))
    refused(world, method, "'SAN' has 23,068,672 bytes free" if room == 22 else None, "keep-free")


def refused(world: World, method: str, said: str | None, advice: str) -> None:
    """Run the job: it fails without having asked for a snapshot, in these words, or it succeeds."""
    before = world.records()
    asked: list[int] = []
    world.pool.faults.add(CallHook(method=CALLS[method], nth=None, run=lambda: asked.append(1)))
    shown = world.cli("preview", "test").stdout
    report = world.run()
    (outcome,) = report.results[0].outcomes
    if said is None:
        assert exit_code(report) == 0, report
        assert (len(asked), "no snapshot" in shown) == (1, False)
    else:
        assert exit_code(report) == 4
        assert outcome.failure is not None
        assert (outcome.failure.step, outcome.failure.code) == ("snapshot", "SnapshotRefused")
        assert said in outcome.failure.message
        assert advice in outcome.failure.advice
        assert (asked, "no snapshot as things stand" in shown) == ([], True)
        assert world.backups() == []
        # After a success the simulated storage coalesces the chains that these tests have made.
        assert world.records() == before
    assert world.journals() == []


@pytest.mark.parametrize("method", METHODS)
def test_a_snapshot_that_the_pool_does_not_answer_is_given_up_with_its_vm_and_unmade(world: World, method: str) -> None:
    """XAPI may hold a call for two hours; the snapshot comes all the same, and goes."""
    world.pool.add_vm("web 02", [DiskSpec(MIB, seed=9)])
    only = 'max-duration = "2s"\n[[jobs.test.vms]]\nmatch = "web 02"\n'
    world.configure(job("web 01", more=f'method = "{method}"') + only)
    before = world.records()
    kind = "VM" if method == "vm-export" else "VDI"
    world.pool.faults.add(CallHook(method=CALLS[method], run=lambda: time.sleep(6)))
    started = time.monotonic()
    report = world.run()
    assert time.monotonic() - started < 60
    assert exit_code(report) == 3, report
    (outcome,) = report.results[0].outcomes
    assert outcome.failure is not None
    assert (outcome.failure.step, outcome.failure.code) == ("snapshot", "TimeUp")
    assert CALLS[method] in outcome.failure.message
    assert [warning.step for warning in report.all_warnings] == ["cleanup"]
    assert "it may still be made" in report.all_warnings[0].message
    deadline = time.monotonic() + 30
    while not any(record["is_a_snapshot"] for record in world.pool.records(kind).values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert world.run().warnings == ()
    assert world.records() == before
    assert world.journals() == []
