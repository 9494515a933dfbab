"""VMs and disks that are not like the others: each has a path that is defined, and says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.manifest import Manifest
from vmbackup.results import Report, exit_code
from vmbackup.simulator import CallHook, DiskSpec, Simulator
from vmbackup.simulator.pool import Pool

TWO = [DiskSpec(2 * MIB, seed=3, name="system"), DiskSpec(3 * MIB, seed=4, name="data")]
Change = Callable[[Pool, str], None]


def made(world: World, name: str = "odd", *, state: str = "Running", change: Change | None = None, sr: str = "") -> str:
    """Make a VM of two disks that `change` makes special, and a job that takes it alone; return its UUID."""
    uuid = world.pool.add_vm(name, TWO, power_state=state, sr=sr)
    with world.pool.editing() as pool:
        (ref,) = pool.db.find("VM", uuid=uuid)
        if change:
            change(pool, ref)
    world.configure(job(name))
    return uuid


def disk_of(pool: Pool, vm: str, name: str) -> str:
    (found,) = [
        pool.db.get("VBD", vbd)["VDI"]
        for vbd in pool.db.get("VM", vm)["VBDs"]
        if pool.db.get("VBD", vbd)["type"] == "Disk"
        and pool.db.get("VDI", pool.db.get("VBD", vbd)["VDI"])["name_label"] == name
    ]
    return str(found)


def renamed(pool: Pool, vm: str) -> None:
    pool.db.set("VDI", disk_of(pool, vm, "data"), name_label="data [NOBAK]")


def reset_on_boot(pool: Pool, vm: str) -> None:
    pool.db.set("VDI", disk_of(pool, vm, "data"), sm_config={"on_boot": "reset"}, on_boot="reset")


def raw(pool: Pool, vm: str) -> None:
    pool.db.set("VDI", disk_of(pool, vm, "data"), sm_config={"vdi_type": "aio"})


def raw_and_renamed(pool: Pool, vm: str) -> None:
    raw(pool, vm)
    renamed(pool, vm)


def usb(pool: Pool, vm: str) -> None:
    pool.db.create("VUSB", {"VM": vm, "currently_attached": True})


def with_secrets(pool: Pool, vm: str) -> None:
    pool.db.create("VTPM", {"VM": vm, "is_unique": False, "is_protected": False})
    pool.db.set("VM", vm, NVRAM={"EFI-variables": "c2VjcmV0"})


def with_iso(pool: Pool, vm: str) -> None:
    (iso,) = [ref for ref, record in pool.db.table("VDI").items() if record["is_tools_iso"]]
    (drive,) = [vbd for vbd in pool.db.get("VM", vm)["VBDs"] if pool.db.get("VBD", vbd)["type"] == "CD"]
    pool.db.set("VBD", drive, VDI=iso, empty=False)


def counted(pool: Simulator, method: str) -> list[int]:
    calls: list[int] = []
    pool.faults.add(CallHook(method=method, nth=None, run=lambda: calls.append(1)))
    return calls


def good(world: World) -> Manifest:
    """Run the job; it must succeed, and leave the pool as it was and one backup that verifies."""
    before = world.records()
    report = world.run()
    assert exit_code(report, strict=True) == 0, report
    assert world.records() == before
    assert world.journals() == []
    assert all(verdict.good for verdict in world.verify_all())
    (backup,) = world.backups()
    return backup.manifest


def problem(report: Report) -> str:
    (failure,) = report.failures
    assert exit_code(report) == 4
    assert report.results == ()
    return f"{failure.message} / {failure.advice}"


def guide(world: World) -> str:
    (path,) = world.target.rglob("RESTORE.txt")
    return path.read_text()


def disk_names(manifest: Manifest) -> list[str]:
    assert manifest.image is not None
    return [disk.name for disk in manifest.image.disks]


def test_a_halted_vm_is_exported_without_a_snapshot(world: World) -> None:
    uuid = made(world, state="Halted", change=with_iso)
    snapshots, blocks = counted(world.pool, "VM.snapshot"), counted(world.pool, "VM.add_to_blocked_operations")
    manifest = good(world)
    assert (snapshots, blocks) == ([], []), "XAPI itself keeps a VM that it exports in its place"
    assert manifest.exported == "vm"
    assert manifest.image is not None
    assert all(disk.uuid == disk.original_uuid for disk in manifest.image.disks)
    for disk in manifest.image.disks:
        assert world.pool.same(disk.uuid, disk.original_uuid)
    assert "exported while it was halted" in guide(world)
    restored = world.cli("restore", "odd@latest", "--json", "--as", "again")
    assert restored.returncode == 0, restored.stderr
    with world.pool.editing() as pool:
        (ref,) = pool.db.find("VM", name_label="again")
        record = pool.db.get("VM", ref)
        assert (record["uuid"] != uuid, record["is_a_template"], record["blocked_operations"]) == (True, False, {})


def test_a_halted_vm_that_is_started_in_the_moment_before_its_export(world: World) -> None:
    """The next attempt finds it running, and takes a snapshot."""
    uuid = made(world, state="Halted")
    world.configure(job("odd", more='retries = 1\nretry-wait = "1s"'))

    def start() -> None:
        with world.pool.editing() as pool:
            pool.db.set("VM", pool.db.by_uuid("VM", uuid), power_state="Running")

    # After the VM was read for its backup, when the task of the image's export is made.
    world.pool.faults.add(CallHook(method="task.create", nth=2, run=start))
    report = world.run()
    assert exit_code(report) == 0, report
    assert [warning.code for warning in report.all_warnings] == ["VM_BAD_POWER_STATE"]
    (backup,) = world.backups()
    assert backup.manifest.exported == "snapshot"


def test_a_halted_vm_is_snapshotted_where_that_is_wished_for(world: World) -> None:
    made(world, state="Halted")
    world.configure('[methods.vm-export]\nhalted = "snapshot"\n' + job("odd"), head=world.head)
    snapshots = counted(world.pool, "VM.snapshot")
    assert good(world).exported == "snapshot"
    assert len(snapshots) == 1


def test_a_halted_vm_that_shares_a_disk_is_snapshotted(world: World) -> None:
    """The other VM may be running, and write to it during the export."""

    def share(pool: Pool, vm: str) -> None:
        (other,) = pool.db.find("VM", name_label="web 01")
        shared = disk_of(pool, vm, "data")
        pool.db.set("VDI", shared, sharable=True)
        fields = {"VM": other, "VDI": shared, "userdevice": "7", "device": "xvdh", "type": "Disk", "mode": "RW"}
        pool.db.create("VBD", {**fields, "bootable": False, "empty": False})

    made(world, state="Halted", change=share)
    assert good(world).exported == "snapshot"


@pytest.mark.parametrize("profile", ["xcpng83", "xcpng82"], ids=["ignore_vdis", "before ignore_vdis"])
@pytest.mark.parametrize("state", ["Running", "Halted"])
def test_a_disk_whose_name_asks_for_no_backup_is_left_out(tmp_path: Path, profile: str, state: str) -> None:
    with Simulator(tmp_path / "pool", profile=profile) as pool:
        world = World(tmp_path, pool)
        made(world, state=state, change=renamed)
        world.init_target()
        manifest = good(world)
        assert disk_names(manifest) == ["system"]
        assert manifest.vm is not None
        assert [(disk.name, disk.position) for disk in manifest.vm.left_out] == [("data [NOBAK]", 1)]
        assert "Not in it: the disk data [NOBAK] at position 1" in guide(world)
        shown = world.cli("preview", "test")
        assert "odd: the disk 'data [NOBAK]' is left out" in shown.stdout
        assert "data [NOBAK]" in world.cli("show", "odd@latest").stdout


def test_a_disk_that_cannot_be_snapshotted_and_is_not_wanted_is_no_hindrance(world: World) -> None:
    made(world, change=raw_and_renamed)
    assert disk_names(good(world)) == ["system"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (usb, "USB device"),
        (reset_on_boot, "'data' is reset at every boot"),
        (raw, "'data' is a raw volume"),
    ],
)
def test_what_cannot_be_snapshotted_is_a_problem_while_it_runs_and_none_when_it_is_halted(
    world: World, change: Change, said: str
) -> None:
    uuid = made(world, change=change)
    snapshots = counted(world.pool, "VM.snapshot")
    before = world.records()
    shown = world.cli("preview", "test")
    assert shown.returncode == 2
    assert said in shown.stdout
    text = problem(world.run())
    assert "odd: " in text
    assert said in text
    assert "a halted VM needs no snapshot" in text
    assert (snapshots, world.backups()) == ([], [])
    assert world.records() == before
    with world.pool.editing() as pool:
        ref = pool.db.by_uuid("VM", uuid)
        pool.db.set("VM", ref, power_state="Halted")
        for vbd in pool.db.get("VM", ref)["VBDs"]:
            pool.db.set("VBD", vbd, currently_attached=False)
    assert disk_names(good(world)) == ["system", "data"]


def test_a_disk_on_a_drive_that_is_passed_through(world: World) -> None:
    through = world.pool.add_sr("Removable storage", type="udev", shared=True)
    made(world, sr=through)
    assert "'system' lies on 'Removable storage' (udev), and cannot be snapshotted" in problem(world.run())
    world.configure(job("odd", more='method = "vdi-export"'))
    assert "disk 0, 'system' on 'Removable storage' (udev), cannot be snapshotted" in problem(world.run())


def test_the_os_disk_of_a_vm_with_a_usb_device(world: World) -> None:
    """XAPI refuses only snapshots of the whole VM."""
    made(world, change=usb)
    world.configure(job("odd", more='method = "vdi-export"'))
    assert disk_names(good(world)) == ["system"]


def test_an_os_disk_whose_name_asks_for_no_backup(world: World) -> None:
    made(world, change=lambda pool, vm: pool.db.set("VDI", disk_of(pool, vm, "system"), name_label="[NOBAK] swap"))
    world.configure(job("odd", more='method = "vdi-export"'))
    assert "asks for no backup" in problem(world.run())


@pytest.mark.parametrize("state", ["Suspended", "Paused"])
def test_a_vm_that_sleeps(world: World, state: str) -> None:
    made(world, state=state)
    manifest = good(world)
    assert manifest.vm is not None
    assert (manifest.vm.power_state, manifest.exported) == (state, "snapshot")
    said = "its memory is not in the backup" in world.cli("preview", "test").stdout
    assert said == (state == "Suspended")


def test_an_iso_in_the_drive_is_not_in_the_backup(world: World) -> None:
    made(world, change=with_iso)
    assert disk_names(good(world)) == ["system", "data"]
    assert "the ISO 'guest-tools.iso' in its CD drive is not in the backup" in world.cli("preview", "test").stdout


def test_what_holds_secrets_of_a_vm_says_so(world: World) -> None:
    made(world, change=with_secrets)
    manifest = good(world)
    assert manifest.vm is not None
    assert manifest.vm.secrets == ("NVRAM", "vTPM")
    assert "it holds its NVRAM and vTPM" in guide(world)
    assert "NVRAM, vTPM" in world.cli("show", "odd@latest").stdout
    assert "secrets of the VM: NVRAM, vTPM" in world.cli("preview", "test").stdout
    (path,) = world.target.rglob("manifest.json")
    assert json.loads(path.read_text())["vm"]["secrets"] == ["NVRAM", "vTPM"]
