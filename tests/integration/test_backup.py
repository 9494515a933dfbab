"""Whole backups and restores against a pool whose guests go on writing."""

import hashlib
import subprocess
import tarfile

import pytest
import xxhash
from tests.integration.world import MIB, World, job, json_of, stranger

from vmbackup.results import exit_code
from vmbackup.simulator import CallFails, Cut, DiskSpec, Simulator
from vmbackup.verify import verify


def test_a_backup_leaves_nothing_behind_in_the_pool(world: World) -> None:
    before = world.records()
    report = world.run()
    assert exit_code(report) == 0, report
    assert report.all_warnings == ()
    assert world.records() == before
    assert world.journals() == []


def test_a_report_takes_stock_of_the_target(world: World) -> None:
    world.configure(job("web*", keep=2))
    first, second, third = (world.run() for _ in range(3))
    (kept,) = first.kept
    assert (kept.target, kept.vm, kept.copies, kept.verified) == ("disk", "web 01", 1, None)
    assert [report.kept[0].copies for report in (second, third)] == [2, 2]
    assert world.cli("verify", "--all").returncode == 0
    (kept,) = world.run().kept
    newest = world.backups()[-1]
    assert kept.newest == newest.manifest.snapshot_time
    assert kept.verified is not None
    (space,) = third.spaces
    assert space.target == "disk"
    assert space.before
    assert space.after
    assert {covered.chain for covered in third.inventory} == {1}


def test_a_backup_holds_the_disks_as_they_were_at_the_snapshot(world: World) -> None:
    world.run()
    (backup,) = world.backups()
    image = next(world.target.rglob("image.xva"))
    with tarfile.open(image) as archive:
        names = archive.getnames()
        assert names[0] == "ova.xml"
        folders = list(dict.fromkeys(name.split("/")[0] for name in names[1:]))
        assert len(folders) == 2
        for folder in folders:
            disk = _unpack(archive, folder)
            assert disk in {world.pool.digest(each.uuid) for each in backup.manifest.image.disks}  # type: ignore[union-attr]


def _unpack(archive: tarfile.TarFile, folder: str) -> str:
    """The digest of a disk by the plainest reading of the format that there is."""
    members = [member for member in archive if member.name.startswith(f"{folder}/") and "." not in member.name]
    content, last = bytearray(), -1
    for member in members:
        number = int(member.name.partition("/")[2])
        content += bytes(MIB) * (number - last - 1)
        file = archive.extractfile(member)
        assert file is not None
        content += file.read()
        last = number
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "more",
    [
        "",
        'compress = { with = "zstd" }',
        'compress = { with = "zstd", when = "host" }',
        'compress = { with = "gzip", when = "host" }',
        'method = "vdi-export"',
        'compress = { with = "gzip" }',
        'method = "vdi-export"\ncompress = { with = "zstd" }',
        'method = "vdi-export"\ncompress = { with = "gzip", level = 1 }',
        'method = "vhd"',
    ],
)
def test_every_way_of_backing_up_verifies_and_restores(world: World, more: str) -> None:
    world.configure(job("web*", more=more) + '\n[methods.vhd]\ntype = "vdi-export"\nformat = "vhd"\n')
    report = world.run()
    assert exit_code(report) == 0, report
    assert all(verdict.good for verdict in world.verify_all())
    (backup,) = world.backups()
    done = world.cli("restore", "web 01@latest", "--as", "back", "--json")
    assert done.returncode == 0, done.stderr
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == "back"]
    disks = {
        vbd["userdevice"]: world.pool.records("VDI")[str(vbd["VDI"])]
        for vbd in world.pool.records("VBD").values()
        if vbd["VM"] == _ref(world.pool, str(vm["uuid"])) and vbd["type"] == "Disk"
    }
    image = backup.manifest.image
    assert image is not None
    assert len(disks) == len(image.disks)
    for disk in image.disks:
        restored = disks[str(disk.position)]
        assert world.pool.digest(str(restored["uuid"])) == world.pool.digest(disk.uuid)
    marks = [record["other_config"] for name in ("VM", "VDI") for record in world.pool.records(name).values()]
    assert not [mark for mark in marks if isinstance(mark, dict) and any("vmbackup" in key for key in mark)]


def _ref(pool: Simulator, uuid: str) -> str:
    return next(ref for ref, record in pool.records("VM").items() if record["uuid"] == uuid)


def test_what_lies_on_the_target(world: World) -> None:
    world.configure(job("web*", more="pool-database = true"))
    assert exit_code(world.run()) == 0
    names = {name.partition("/")[2].partition("/")[2].partition("/")[2] for name in world.files()}
    assert {
        *("begun.json", "image.xva", "ova.xml", "vm.cfg", "VIFs/vif-0.cfg", "RESTORE.txt", "SHA256SUMS"),
        *("manifest.json", "DISK-xvda/vbd.cfg", "DISK-xvda/vdi.cfg", "DISK-xvdb/vbd.cfg", "DISK-xvdb/vdi.cfg"),
    } <= names
    for path in world.target.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    dump = next((world.target / "pool-database").rglob("pool.xml"))
    assert b"<database>" in dump.read_bytes()[:200]


def test_the_checksums_are_those_that_sha256sum_takes(world: World) -> None:
    world.run()
    folder = next(world.target.rglob("SHA256SUMS")).parent
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout.count(": OK") == len(done.stdout.splitlines()) > 5


def test_the_guide_has_the_lines_for_this_backup(world: World) -> None:
    world.configure(job("web*", more='method = "vdi-export"\ncompress = { with = "zstd" }'))
    world.run()
    text = next(world.target.rglob("RESTORE.txt")).read_text()
    assert "    zstd -dc disk-0.raw.zst > disk-0.raw\n" in text
    assert f"virtual-size={5 * MIB}" in text
    assert "xe vdi-import uuid=<UUID that was printed> filename=disk-0.raw format=raw" in text


@pytest.mark.parametrize(
    "more",
    [
        'compress = { with = "zstd" }',
        'method = "vdi-export"\ncompress = { with = "zstd", level = 9, long = true }',
        'method = "vdi-export"\ncompress = { with = "gzip" }',
    ],
)
def test_the_guide_s_own_line_unpacks_to_what_was_backed_up(world: World, more: str) -> None:
    world.configure(job("web*", more=more))
    assert exit_code(world.run()) == 0
    (backup,) = world.backups()
    (image,) = [file for file in backup.manifest.files if file.role == "image"]
    folder = world.target / backup.folder
    (line,) = [line for line in (folder / "RESTORE.txt").read_text().splitlines() if " > " in line]
    subprocess.run(["sh", "-c", line], cwd=folder, check=True)
    unpacked = (folder / line.rpartition(" > ")[2]).read_bytes()
    assert f"xxh3-128:{xxhash.xxh3_128_hexdigest(unpacked)}" == image.content_digest


def test_retention_keeps_the_newest_and_a_failed_run_removes_nothing(world: World) -> None:
    world.configure(job("web*", keep=2))
    for _ in range(3):
        world.run()
    newest = world.backups()
    assert len(newest) == 2
    world.configure(job("nobody", keep=1))
    assert exit_code(world.run()) == 4
    assert world.backups() == newest


def test_a_wildcard_job_goes_on_when_one_vm_fails(world: World) -> None:
    uuid = world.pool.add_vm("web 02", [DiskSpec(2 * MIB, seed=5)])
    ref = _ref(world.pool, uuid)
    full = CallFails(method="VM.snapshot", about=ref, code="SR_BACKEND_FAILURE_44", params=("", "full", ""))
    world.pool.faults.add(full)
    report = world.run()
    assert exit_code(report) == 3
    (failed,) = [result for result in report.results if not result.good]
    failure = failed.outcomes[0].failure
    assert failed.vm == "web 02"
    assert failure is not None
    assert (failure.step, failure.code) == ("snapshot", "SR_BACKEND_FAILURE_44")
    assert "no room" in failure.advice


def test_a_restore_refuses_a_damaged_backup_before_the_first_byte(world: World) -> None:
    world.run()
    image = next(world.target.rglob("image.xva"))
    with image.open("r+b") as file:
        file.seek(MIB)
        byte = file.read(1)
        file.seek(MIB)
        file.write(bytes([byte[0] ^ 1]))
    before = world.records()
    done = world.cli("restore", "web 01@latest")
    assert done.returncode == 13, done.stderr
    assert "not whole" in done.stderr
    assert world.records() == before
    verify_done = world.cli("verify", "--all")
    assert verify_done.returncode == 13
    forced = world.cli("restore", "web 01@latest", "--force")
    assert forced.returncode == 4, "the pool itself finds a block that does not match its checksum"
    assert world.records() == before


def test_a_whole_vm_restored_with_its_addresses_is_the_archived_one(world: World) -> None:
    world.run()
    (backup,) = world.backups()
    before = {str(record["MAC"]) for record in world.pool.records("VIF").values()}
    done = world.cli("restore", "web 01@latest", "--preserve", "--as", "twin")
    assert done.returncode == 2
    assert "is the original or a copy of it, and is still in the pool" in done.stderr
    with stranger(world) as session:
        vm_ref = session.xenapi.VM.get_by_name_label("web 01")[0]
        session.xenapi.VM.hard_shutdown(vm_ref)
        session.xenapi.VM.destroy(vm_ref)
    done = world.cli("restore", "web 01@latest", "--preserve", "--as", "twin")
    assert done.returncode == 0, done.stderr
    (vm,) = [record for record in world.pool.records("VM").values() if record["name_label"] == "twin"]
    (vif,) = vm["VIFs"]
    assert str(world.pool.records("VIF")[vif]["MAC"]) in before
    assert backup.manifest.vm is not None
    assert vm["uuid"] != backup.manifest.vm.uuid


def test_a_backup_on_an_unmounted_folder_is_refused_with_nothing_written(world: World) -> None:
    away = world.target.rename(world.folder / "away")
    world.target.mkdir()
    done = world.cli("run", "test")
    assert done.returncode == 10, done.stdout
    assert "no vmbackup-target.json" in done.stdout
    assert list(world.target.iterdir()) == []
    world.target.rmdir()
    away.rename(world.target)
    assert world.cli("run", "test").returncode == 0
    records = list((world.target / "runs" / "test").iterdir())
    assert len(records) == 2, "the record of the refused run waited for its target"


def test_a_foreign_target_is_refused(world: World) -> None:
    path = world.target / "vmbackup-target.json"
    path.write_text(path.read_text().replace(world.identity, "11111111-1111-4111-8111-111111111111"))
    done = world.cli("run", "test")
    assert done.returncode == 10
    assert world.identity in done.stdout


def test_hostile_names_stay_inside_the_target(world: World) -> None:
    names = ["../../etc/cron.d/x", "/", ".", "-rf", "a\nb\x1b[31m", "x" * 300, "$(reboot)", "Ünï 東京"]
    for number, name in enumerate(names):
        world.pool.add_vm(name, [DiskSpec(MIB, seed=number)])
    world.configure(job("*"))
    report = world.run()
    assert exit_code(report) == 0, report
    assert len(world.backups()) == len(names) + 1
    ours = ["pool", "pool.password", "state", "target", "vmbackup.toml"]
    assert sorted(path.name for path in world.folder.iterdir()) == ours
    done = world.cli("list")
    assert "\x1b[31m" not in done.stdout


def test_verify_reads_everything_again(world: World) -> None:
    world.run()
    (backup,) = world.backups()
    repository = world.repository()
    with repository.target:
        verdict = verify(backup, repository, world.site().registry)
    assert verdict.good
    assert verdict.read == backup.size


def test_an_os_disk_goes_to_the_vm_that_is_named(world: World) -> None:
    world.configure(job("web*", more='method = "vdi-export"'))
    world.run()
    (backup,) = world.backups()
    world.pool.add_vm("empty", [], power_state="Halted")
    taken = world.cli("restore", "web 01@latest", "--vm", "web 01")
    assert taken.returncode == 2
    assert "position 0" in taken.stderr
    before = world.records()
    missing = world.cli("restore", "web 01@latest", "--vm", "nobody")
    assert missing.returncode == 2
    assert world.records() == before
    done = world.cli("restore", "web 01@latest", "--vm", "empty", "--start", "--json")
    assert done.returncode == 0, done.stderr
    restored = json_of(done)
    assert restored["name"] == "empty"
    assert backup.manifest.image is not None
    assert world.pool.same(backup.manifest.image.disks[0].uuid, restored["disks"]["0"])  # type: ignore[index]
    (vm,) = [record for record in world.pool.records("VM").values() if record["name_label"] == "empty"]
    assert vm["power_state"] == "Running"


@pytest.mark.parametrize("more", ["", 'method = "vdi-export"'])
def test_a_restore_that_fails_leaves_nothing_in_the_pool(world: World, more: str) -> None:
    world.configure(job("web*", more=more))
    world.run()
    before = world.records()
    path = "/import_raw_vdi" if more else "/import"
    world.pool.faults.add(Cut(path=path, after=1_000_000))
    done = world.cli("restore", "web 01@latest", "--as", "back")
    assert done.returncode == 4, done.stdout
    assert world.records() == before
    assert world.journals() == []


def test_the_dump_of_the_pool_database_has_a_retention_of_its_own(world: World) -> None:
    world.configure(job("web*", keep=1, more="pool-database = { keep = { last = 2 } }"))
    for _ in range(3):
        assert exit_code(world.run()) == 0
    kinds = [backup.manifest.method for backup in world.backups()]
    assert sorted(kinds) == ["pool-database", "pool-database", "vm-export"]
    refused = world.cli("restore", "pool-database@latest")
    assert refused.returncode == 4
    assert "pool-restore-database" in refused.stderr


def test_a_session_is_always_logged_out(world: World) -> None:
    world.run()
    world.pool.faults.add(CallFails(method="VM.snapshot", code="SR_FULL"))
    world.run()
    assert world.pool.records("session") == {}
