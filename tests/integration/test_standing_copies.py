"""Copies of VMs that stay in the pool: proven, one of each VM, and somebody's own once they are touched."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.copies import EXAMPLE, Copies
from tests.integration.test_hooks import hook
from tests.integration.test_strangers import import_by_foreign_means
from tests.integration.world import MIB, World, command, distribution, stranger

from vmbackup.results import Report, exit_code
from vmbackup.simulator import CallFails, CallHook, Cut, DiskSpec, ErrorInBody, Simulator, TaskFails
from vmbackup.simulator.faults import CallStalls, ReplyLost, Rule
from vmbackup.xapi.marks import OWNER, STANDS

# Neither paused nor by force.
AS_USUAL = (False, False)


@pytest.fixture
def copies(tmp_path: Path, pool: Simulator, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """A halted VM with two disks, another SR, and the example's method, which is installed."""
    disks = [DiskSpec(5 * MIB, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)]
    pool.add_vm("web", disks, power_state="Halted", other_config={"auto_poweron": "true"}, tags=["prod"])
    monkeypatch.syspath_prepend(distribution(tmp_path / "plugins", "vm_copy", EXAMPLE))
    found = Copies(World(tmp_path, pool), pool.add_sr("vault"))
    found.configure()
    found.world.init_target()
    return found


def good(report: Report) -> bool:
    assert report.failures == (), report.failures
    return exit_code(report) == 0 and report.all_warnings == ()


def test_a_copy_stands_on_the_other_sr(copies: Copies) -> None:
    ref, _ = copies.vm()
    with copies.world.pool.editing() as pool:
        pool.db.set("VM", ref, ha_restart_priority="restart")
    before = copies.world.records()
    report = copies.world.run()
    assert good(report)
    assert copies.beside() == before
    (copy,) = copies.standing().values()
    assert copies.whole(copy)
    assert copy["name_label"] == f"web (copy of {report.run.started:%Y-%m-%d})"
    assert (copy["is_a_template"], copy["is_a_snapshot"], copy["ha_restart_priority"]) == (False, False, "")
    assert set(copy["other_config"]) & {"auto_poweron", OWNER} == set()
    assert copies.world.journals() == []
    with stranger(copies.world) as session:
        session.xenapi.VM.start(session.xenapi.VM.get_by_uuid(copy["uuid"]), *AS_USUAL)


def test_the_copy_is_what_was_exported_and_proven(copies: Copies) -> None:
    assert good(copies.world.run())
    (copy,) = copies.standing().values()
    (backup,) = copies.world.backups()
    image = backup.manifest.image
    assert image is not None
    assert [disk.uuid for disk in image.disks] == [disk["uuid"] for disk in copies.disks(copy)]
    assert [disk.original_uuid for disk in image.disks] == [disk["uuid"] for disk in copies.disks(copies.vm()[1])]
    assert backup.manifest.exported == "copy"
    assert all(verdict.good for verdict in copies.world.verify_all())
    guide = (copies.world.target / backup.folder / "RESTORE.txt").read_text()
    assert "copy of a snapshot of" in guide
    assert "UUID of that copy" in guide


def test_a_running_vm_is_copied_as_its_snapshot_was(copies: Copies) -> None:
    pool = copies.world.pool
    pool.add_vm("live", [DiskSpec(4 * MIB, seed=3, fill=0.7)])
    copies.configure("live")
    snapshots: list[str] = []

    def look() -> None:
        snapshots.extend(str(vdi["uuid"]) for vdi in pool.records("VDI").values() if vdi["is_a_snapshot"])

    pool.faults.add(CallHook(method="VM.copy", run=look))
    assert good(copies.world.run())
    (copy,) = copies.standing().values()
    ((disk,), (snapshot,)) = (copies.disks(copy), snapshots)
    assert pool.same(str(disk["uuid"]), snapshot)


def test_each_run_leaves_one(copies: Copies) -> None:
    before = copies.world.records()
    seen: set[str] = set()
    for _ in range(3):
        assert good(copies.world.run())
        ((ref, copy),) = copies.standing().items()
        assert copies.whole(copy)
        assert ref not in seen
        seen.add(ref)
        assert copies.beside() == before


def test_another_jobs_copy_is_another(copies: Copies) -> None:
    assert good(copies.world.run())
    text = copies.world.config.read_text()
    copies.world.config.write_text(text.replace("jobs.test", "jobs.other"))
    assert good(copies.world.run("other"))
    assert good(copies.world.run("other"))
    assert len(copies.standing()) == 2


FAILURES: dict[str, tuple[Rule, ...]] = {
    "the copying": (CallFails(method="VM.copy", code="SR_FULL", params=("1", "0")),),
    "the answer": (ReplyLost(method="VM.copy"),),
    "a bad image": (Cut(path="/export", after=MIB, task="success"),),
    "an error in it": (ErrorInBody(path="/export", after=MIB),),
    "the export": (TaskFails(path="/export"),),
    "the records": (TaskFails(path="/export_metadata"),),
    "a mark": (CallFails(method="VM.set_name_label", nth=2, code="INTERNAL_ERROR", params=("odd",)),),
}


@pytest.mark.parametrize("what", FAILURES)
def test_where_the_backup_fails_the_older_copy_stays(copies: Copies, what: str) -> None:
    before = copies.world.records()
    assert good(copies.world.run())
    stood = copies.standing()
    for rule in FAILURES[what]:
        copies.world.pool.faults.add(rule)
    report = copies.world.run()
    assert exit_code(report) == 4, report
    assert report.all_warnings == ()
    assert copies.standing().keys() == stood.keys()
    assert copies.whole(next(iter(stood.values())))
    assert copies.beside() == before
    assert copies.world.journals() == []


def test_copying_that_stands_still_is_given_up(copies: Copies) -> None:
    before = copies.world.records()
    assert good(copies.world.run())
    stood = copies.standing()
    copies.configure(more='stall = "2s"')
    copies.world.pool.faults.add(CallStalls(method="VM.copy"))
    report = copies.world.run()
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert (failure.step, failure.code) == ("copy", "Stalled")
    assert report.all_warnings == ()
    assert copies.standing().keys() == stood.keys()
    assert copies.beside() == before


def test_a_run_that_is_told_to_end_cancels_the_copying(copies: Copies) -> None:
    before = copies.world.records()
    pool = copies.world.pool
    pool.faults.add(CallStalls(method="VM.copy"))
    env = copies.world.environ({"PYTHONPATH": str(copies.world.folder / "plugins")})
    process = subprocess.Popen(command("run", "test"), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while "VM.copy" not in [asked.what for asked in pool.log.asked]:
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert copies.world.records() == before
    assert copies.world.journals() == []


def test_a_copy_whose_backup_no_target_could_publish_goes(copies: Copies) -> None:
    def take_the_place() -> None:
        (begun,) = copies.world.target.rglob("begun.json")
        begun.with_name("manifest.json").mkdir()

    copies.world.pool.faults.add(CallHook(method="VM.copy", run=take_the_place))
    before = copies.world.records()
    report = copies.world.run()
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert failure.step == "store"
    assert report.results[0].read > 0, "all but the manifest was there"
    assert copies.standing() == {}
    assert copies.world.records() == before


def _started(copies: Copies, ref: str) -> None:
    with stranger(copies.world) as session:
        session.xenapi.VM.start(ref, *AS_USUAL)


def _started_and_halted(copies: Copies, ref: str) -> None:
    # The pool's clock tells whole seconds.
    copies.world.pool.clock.advance(2)
    with stranger(copies.world) as session:
        session.xenapi.VM.start(ref, *AS_USUAL)
        session.xenapi.VM.hard_shutdown(ref)


def _snapshotted(copies: Copies, ref: str) -> None:
    with stranger(copies.world) as session:
        session.xenapi.VM.snapshot(ref, "before I touch it")


def _renamed(copies: Copies, ref: str) -> None:
    with stranger(copies.world) as session:
        session.xenapi.VM.set_name_label(ref, "web, the new one")


CLAIMS = {
    "it is running": _started,
    "it has been started": _started_and_halted,
    "it has snapshots": _snapshotted,
    "it was called 'web (copy of": _renamed,
}


@pytest.mark.parametrize("why", CLAIMS)
def test_a_copy_that_somebody_has_made_his_own_is_left_alone(copies: Copies, why: str) -> None:
    assert good(copies.world.run())
    (claimed,) = copies.standing()
    CLAIMS[why](copies, claimed)
    as_it_was = copies.world.pool.records("VM")[claimed]
    for count in (2, 2):
        report = copies.world.run()
        assert exit_code(report) == 0
        (warning,) = report.all_warnings
        assert why in warning.message
        assert as_it_was["uuid"] in warning.message
        assert f"xe vm-param-remove uuid={as_it_was['uuid']}" in warning.advice
        assert len(copies.standing()) == count
        assert copies.world.journals() == []
    now = copies.world.pool.records("VM")[claimed]
    assert {key: now[key] for key in ("VBDs", "power_state", "other_config", "name_label")} == {
        key: as_it_was[key] for key in ("VBDs", "power_state", "other_config", "name_label")
    }


def test_a_copy_whose_mark_is_taken_away_is_a_vm_like_any_other(copies: Copies) -> None:
    assert good(copies.world.run())
    ((kept, record),) = copies.standing().items()
    with stranger(copies.world) as session:
        session.xenapi.VM.remove_from_other_config(kept, STANDS)
    assert good(copies.world.run())
    assert kept in copies.world.pool.records("VM")
    assert len(copies.standing()) == 1
    copies.configure("*", sr=copies.world.pool.add_sr("third"), more='exclude = [{ match = "web" }]')
    assert [result.uuid for result in copies.world.run().results] == [record["uuid"]]


def test_copies_are_no_vms_to_back_up_until_somebody_starts_them(copies: Copies) -> None:
    copies.configure("*")
    assert good(copies.world.run())
    assert [result.vm for result in copies.world.run().results] == ["web"]
    ((ref, record),) = copies.standing().items()
    _started(copies, ref)
    copies.configure("*", sr=copies.world.pool.add_sr("third"))
    assert {result.vm for result in copies.world.run().results} == {"web", record["name_label"]}


def test_an_image_that_is_imported_with_the_uuid_of_its_copy_is_not_ours(copies: Copies) -> None:
    """An import that is told to keep UUIDs replaces the halted copy (xapi: import.ml), marks of ours and all."""
    assert good(copies.world.run())
    ((old, record),) = copies.standing().items()
    mark = record["other_config"][STANDS]
    image = next(copies.world.target.rglob("image.xva"))
    with stranger(copies.world) as session:
        session.xenapi.VM.destroy(old)
        ref = import_by_foreign_means(copies.world, session, image, "&restore=true")
        assert session.xenapi.VM.get_uuid(ref) == record["uuid"]
        session.xenapi.VM.add_to_other_config(ref, STANDS, mark)
        session.xenapi.VM.set_name_label(ref, record["name_label"])
    report = copies.world.run()
    (warning,) = report.all_warnings
    assert "none of those that it was made with" in warning.message
    assert ref in copies.world.pool.records("VM")


def test_a_guest_stands_still_for_the_snapshot_and_not_for_the_copy(copies: Copies) -> None:
    noted = copies.world.folder / "let go"
    held: list[bool] = []
    copies.world.pool.faults.add(CallHook(method="VM.copy", run=lambda: held.append(not noted.exists())))
    text = hook("after-snapshot", 'touch "$1"', "", str(noted))
    copies.world.config.write_text(copies.world.config.read_text() + text)
    assert good(copies.world.run())
    assert held == [False]


@pytest.mark.parametrize(
    ("sr", "words"),
    [
        ("nowhere", ["no SR 'nowhere'", "'vault'"]),
        ("tight", ["the SR 'tight' has 1,048,576 bytes free", "the copy needs"]),
        ("away", ["'away'", "attached to no host"]),
        ("discs", ["'discs' takes no disks"]),
        ("twice", ["2 SRs of the pool are called 'twice'"]),
    ],
)
def test_a_preview_refuses_an_sr_that_cannot_take_the_copy(copies: Copies, sr: str, words: list[str]) -> None:
    pool = copies.world.pool
    for name, kind in (("tight", "lvmoiscsi"), ("away", ""), ("discs", "iso"), ("twice", ""), ("twice", "")):
        made = pool.add_sr(name, type=kind)
        if name == "tight":
            pool.leave_free(made, MIB)
        if name == "away":
            with pool.editing() as inside:
                for plug in inside.db.get("SR", inside.db.by_uuid("SR", made))["PBDs"]:
                    inside.db.set("PBD", plug, currently_attached=False)
    copies.configure(sr=sr)
    before = copies.world.records()
    env = {"PYTHONPATH": str(copies.world.folder / "plugins")}
    said = copies.world.cli("preview", "test", env=env)
    assert said.returncode == 2, said.stderr
    assert all(word in said.stdout for word in words), said.stdout
    assert exit_code(copies.world.run()) != 0
    assert copies.world.records() == before
    assert copies.world.backups() == []


def test_a_vm_on_the_very_sr_is_refused(copies: Copies) -> None:
    copies.world.pool.add_vm("near", [DiskSpec(MIB)], sr=copies.sr)
    copies.configure("near")
    (problem,) = copies.world.run().failures
    assert "lies on 'vault' itself" in problem.message


def test_room_that_is_gone_when_its_turn_comes_is_missed_before_the_copy_is_asked_for(copies: Copies) -> None:
    pool = copies.world.pool
    thick = pool.add_sr("thick", type="lvmoiscsi")
    copies.configure(sr="thick")
    pool.faults.add(CallHook(method="VM.snapshot", run=lambda: pool.leave_free(thick, MIB)))
    before = copies.world.records()
    report = copies.world.run()
    failure = report.results[0].outcomes[0].failure
    assert failure is not None
    assert failure.step == "copy"
    assert "no copy was asked for: the SR 'thick'" in failure.message
    assert "VM.copy" not in [asked.what for asked in pool.log.asked]
    after = copies.world.records()
    assert {kind: after[kind] for kind in after if kind != "SR"} == {
        kind: before[kind] for kind in before if kind != "SR"
    }
