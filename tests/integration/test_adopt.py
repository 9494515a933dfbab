"""`vmbackup adopt`: old backups of NAU VMbackup, adopted where they lie and from then on like any others."""

import gzip
from pathlib import Path

import pytest
from tests.integration.old_tree import VM, Exports, digest
from tests.integration.world import MIB, World, job, json_of

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator


@pytest.fixture
def old(tmp_path: Path, pool: Simulator) -> tuple[World, Exports]:
    """A pool with a VM of two disks, a target for its new backups, and exports for old ones."""
    disks = [DiskSpec(3 * MIB, seed=1, fill=0.6, name="root"), DiskSpec(2 * MIB, seed=2, fill=0.6, name="data")]
    # Nothing writes to the disks of a halted VM, so that what comes back can be held against them.
    pool.add_vm(VM, disks, power_state="Halted")
    world = World(tmp_path, pool)
    world.configure("")
    world.init_target()
    world.configure(job("web*", keep=2))
    (tmp_path / "exports").mkdir()
    return world, Exports(World(tmp_path / "exports", pool))


def lay_all(world: World, exports: Exports) -> None:
    """Every marker, format and layout, what is damaged or unfinished, and what is somebody else's."""
    tree = world.target
    exports.lay(tree, VM, "2016-04-02 02:00", "xva", "3.0")
    exports.lay(tree, VM, "2016-04-09 02:00", "raw", "3.0", marker="success_compress")
    exports.lay(tree, VM, "2019-06-01 02:00", "gz", marker="success_compressing")
    exports.lay(tree, VM, "2019-06-08 02:00", "vhd", marker="success_restore", stamp="backup-%Y-%m-%d-%H-%M-%S")
    exports.lay(tree, VM, "2019-06-15 02:00", "xva", cut=-3000)
    exports.lay(tree, VM, "2019-06-22 02:00", "xva", marker=None)
    exports.lay(tree, "Büro (alt)", "2019-06-01 03:00", "xva", "")
    stranger = tree / "Fotos 2019" / "Sommer"
    stranger.mkdir(parents=True)
    (stranger / "see.jpg").write_bytes(b"\xff\xd8 not a backup")
    (tree / "METADATA_xen1").mkdir()
    (tree / "METADATA_xen1" / "pool_db_20190601-020000.dump").write_bytes(b"<database/>")


def olds(world: World) -> dict[str, str]:
    """A digest of each folder on the target that vmbackup has not made."""
    ours = {"adopted", "runs", "vmbackup-target.json"}
    tops = [path for path in world.target.iterdir() if path.name not in ours and "--" not in path.name]
    return {path.name: digest(path) for path in tops}


def listed(world: World) -> list[dict[str, object]]:
    return json_of(world.cli("list", "--json"))["backups"]  # type: ignore[return-value]


def test_what_is_whole_is_adopted_listed_verified_restored_and_purged(old: tuple[World, Exports]) -> None:
    world, exports = old
    lay_all(world, exports)
    before, whole = olds(world), digest(world.target)
    shown = world.cli("adopt", ".", "--target", "disk", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "Büro (alt)" in shown.stdout
    assert digest(world.target) == whole, "a preview changes nothing"

    done = world.cli("adopt", str(world.target))
    assert done.returncode == 13, done.stderr
    assert "wrong web 01/backup-2019-06-15-(02:00:00): the stream ends inside" in done.stdout
    assert "left web 01/backup-2019-06-22-(02:00:00): no marker calls it good" in done.stdout
    assert done.stdout.splitlines()[-1] == "5 adopted, 3 left, 1 wrong"
    assert olds(world) == before, "nothing of the old is moved or changed"

    backups = listed(world)
    assert [(one["vm"], one["method"], one["job"]) for one in backups] == [
        (VM, "vm-export", "test"),
        (VM, "vdi-export", "test"),
        (VM, "vm-export", "test"),
        ("Büro (alt)", "vm-export", "test"),
        (VM, "vdi-export", "test"),
    ]
    assert all(one["verified"] for one in backups)
    assert backups[3]["uuid"] != backups[0]["uuid"] == world.pool.records("VM")[vm_ref(world)]["uuid"]
    told = world.cli("show", "disk:Büro")
    assert "adopted   from NAU VMbackup's Büro (alt)/backup-2019-06-01-(03:00:00)" in told.stdout
    verified = world.cli("verify", "--all")
    assert (verified.returncode, verified.stdout.splitlines()[-1]) == (0, "5 good, 0 wrong, 0 could not be read")

    again = world.cli("adopt", str(world.target))
    assert again.stdout.splitlines()[-1] == "5 already, 3 left, 1 wrong"
    assert olds(world) == before

    for _ in range(2):
        assert exit_code(world.run()) == 0
    left = {path.name for path in (world.target / VM).iterdir()}
    # Two of this job's own are kept, and the newest by the other method; what was not adopted is not ours to remove.
    assert left == {
        "backup-2019-06-08-02-00-00",
        "backup-2019-06-15-(02:00:00)",
        "backup-2019-06-22-(02:00:00)",
    }
    strangers = {name: value for name, value in before.items() if name != VM}
    assert {name: value for name, value in olds(world).items() if name != VM} == strangers
    assert {one["vm"] for one in listed(world)} == {VM, "Büro (alt)"}


def vm_ref(world: World) -> str:
    (ref,) = [ref for ref, vm in world.pool.records("VM").items() if vm["name_label"] == VM]
    return str(ref)


@pytest.mark.parametrize(
    ("kind", "layout"), [("xva", "3.25"), ("xva", "3.0"), ("gz", "3.25"), ("raw", "3.25"), ("vhd", "3.25")]
)
def test_an_adopted_vm_comes_back(old: tuple[World, Exports], kind: str, layout: str) -> None:
    world, exports = old
    exports.lay(world.target, VM, "2019-06-01 02:00", kind, layout)
    assert world.cli("adopt", str(world.target)).returncode == 0
    done = world.cli("restore", f"{VM}@latest", "--as", "back", "--new-mac", "--json")
    assert done.returncode == 0, done.stderr
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == "back"]
    (original,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == VM]
    restored = json_of(done)["disks"]
    assert isinstance(restored, dict)
    assert len(restored) == (2 if kind in {"xva", "gz"} else 1)
    disks = {
        record["userdevice"]: world.pool.records("VDI")[record["VDI"]]["uuid"]
        for record in world.pool.records("VBD").values()
        if record["VM"] == vm_ref(world) and record["type"] == "Disk"
    }
    for position, uuid in restored.items():
        assert world.pool.same(disks[position], uuid), position
    assert len(vm["VIFs"]) == len(original["VIFs"])


def test_zeros_that_a_host_has_sent_behind_a_disk_are_kept_from_the_pool(old: tuple[World, Exports]) -> None:
    world, exports = old
    copy = exports.lay(world.target, VM, "2019-06-01 02:00", "raw")
    with (copy / f"{VM}.raw").open("ab") as image:
        image.write(bytes(MIB))
    assert world.cli("adopt", str(world.target)).returncode == 0
    done = world.cli("restore", f"{VM}@latest", "--disk", "xvda", "--json")
    assert done.returncode == 0, done.stderr
    (restored,) = json_of(done)["disks"].values()  # type: ignore[attr-defined]
    (original,) = [
        vdi["uuid"]
        for vdi in world.pool.records("VDI").values()
        if vdi["name_label"] == "root" and vdi["uuid"] != restored
    ]
    assert world.pool.same(original, restored)


@pytest.mark.parametrize("kind", ["raw", "vhd"])
def test_without_the_metadata_of_a_vm_its_disk_alone_comes_back(old: tuple[World, Exports], kind: str) -> None:
    world, exports = old
    exports.lay(world.target, VM, "2016-04-02 02:00", kind, "3.0")
    assert world.cli("adopt", str(world.target)).returncode == 0
    before = world.records()
    whole = world.cli("restore", f"{VM}@latest", "--as", "back")
    assert (whole.returncode, "Restore the disk alone, with --disk" in whole.stderr) == (2, True), whole.stderr
    assert world.records() == before
    done = world.cli("restore", f"{VM}@latest", "--disk", "xvda", "--json")
    assert done.returncode == 0, done.stderr
    out = world.folder / "disk.raw"
    assert world.cli("extract", f"{VM}@latest", str(out)).returncode == 0
    assert out.stat().st_size == 3 * MIB


def test_what_was_compressed_afterwards_is_left(old: tuple[World, Exports]) -> None:
    world, exports = old
    copy = exports.lay(world.target, VM, "2019-06-01 02:00", "raw", marker="success_compress")
    with gzip.open(copy / f"{VM}.raw.gz", "wb") as packed:
        packed.write((copy / f"{VM}.raw").read_bytes())
    assert f"it has 2 images: {VM}.raw, {VM}.raw.gz" in world.cli("adopt", str(world.target)).stdout
    (copy / f"{VM}.raw").unlink()
    assert "gunzip it first" in world.cli("adopt", str(world.target)).stdout
    assert world.backups() == []


def test_a_removal_leaves_strangers_files_and_images_that_have_come_since(old: tuple[World, Exports]) -> None:
    world, exports = old
    first = exports.lay(world.target, VM, "2019-06-01 02:00", "xva")
    second = exports.lay(world.target, VM, "2019-06-08 02:00", "xva")
    third = exports.lay(world.target, VM, "2019-06-15 02:00", "xva")
    assert world.cli("adopt", str(world.target)).returncode == 0
    (first / "README").write_text("mine")
    (first / "DISK-xvda" / "notes").write_text("mine")
    (second / f"{VM}.xva").unlink()
    (second / f"{VM}.xva").write_bytes(b"another one")
    kept = digest(second)
    for _ in range(2):
        assert exit_code(world.run()) == 0
    assert {str(path.relative_to(first)) for path in first.rglob("*")} == {"README", "DISK-xvda", "DISK-xvda/notes"}
    assert digest(second) == kept
    assert not third.exists()
    assert len(listed(world)) == 2


def test_an_adopted_copy_that_was_not_verified_neither_counts_nor_goes(old: tuple[World, Exports]) -> None:
    world, exports = old
    copies = [exports.lay(world.target, VM, f"2019-06-{day:02} 02:00", "xva") for day in (1, 8, 15)]
    assert world.cli("adopt", str(world.target)).returncode == 0
    for fact in world.target.rglob("verified-*.json"):
        fact.unlink()
    for _ in range(2):
        assert exit_code(world.run()) == 0
    assert all(copy.exists() for copy in copies)
    assert world.cli("verify", "--all").returncode == 0
    assert exit_code(world.run()) == 0
    assert not any(copy.exists() for copy in copies)


def test_what_names_no_target_or_no_job(old: tuple[World, Exports]) -> None:
    world, exports = old
    exports.lay(world.target / "BACKUPS", VM, "2019-06-01 02:00", "xva")
    elsewhere = world.cli("adopt", str(world.folder / "elsewhere"))
    assert (elsewhere.returncode, "vmbackup target init old --not-empty" in elsewhere.stderr) == (2, True)
    assert world.cli("adopt", "../x", "--target", "disk").returncode == 2
    world.configure(job("web*", name="weekly") + job("web*", name="monthly"))
    several = world.cli("adopt", str(world.target))
    assert (several.returncode, "--job weekly or monthly" in several.stderr) == (2, True)
    assert world.cli("adopt", str(world.target), "--job", "daily").returncode == 2
    assert world.cli("adopt", str(world.target / "BACKUPS"), "--job", "monthly").returncode == 0
    assert [one["job"] for one in listed(world)] == ["monthly"]


def test_a_folder_with_old_backups_is_set_up_only_when_told_so(tmp_path: Path, old: tuple[World, Exports]) -> None:
    world, exports = old
    (world.target / "vmbackup-target.json").unlink()
    exports.lay(world.target, VM, "2019-06-01 02:00", "xva")
    before = olds(world)
    assert world.cli("target", "init", "disk").returncode == 10
    assert world.cli("adopt", str(world.target)).returncode == 10
    done = world.cli("target", "init", "disk", "--not-empty")
    assert done.returncode == 0, done.stderr
    assert olds(world) == before
