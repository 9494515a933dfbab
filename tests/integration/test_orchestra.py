"""Full backups of Xen Orchestra: listed, shown, verified and restored where they lie, and never written to."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import zstandard
from tests.integration.old_tree import VM, Exports, digest
from tests.integration.world import MIB, World, job, json_of

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator


@pytest.fixture
def orchestra(tmp_path: Path, pool: Simulator) -> tuple[World, Exports]:
    """A pool with a VM, and a target on which Xen Orchestra has its backups."""
    disks = [DiskSpec(3 * MIB, seed=1, fill=0.6, name="root"), DiskSpec(2 * MIB, seed=2, fill=0.6, name="data")]
    pool.add_vm(VM, disks, power_state="Halted")
    world = World(tmp_path, pool)
    world.configure("", head=head(world))
    (tmp_path / "exports").mkdir()
    return world, Exports(World(tmp_path / "exports", pool))


def listed(world: World, what: str = "backups") -> list[dict[str, str]]:
    """What `list` tells."""
    found = json_of(world.cli("list", "--json"))[what]
    assert isinstance(found, list)
    return found


def head(world: World) -> str:
    return world.head.replace(f'id = "{world.identity}"', 'backup-layout = "xo"')


def lay(world: World, exports: Exports, stamp: str, kind: str = "xva", *, mode: str = "full") -> Path:
    """One backup as Xen Orchestra leaves it: the image, its checksum, and last its record; return the image."""
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == VM]
    image = world.target / "xo-vm-backups" / str(vm["uuid"]) / f"{stamp}.xva"
    image.parent.mkdir(parents=True, exist_ok=True)
    if kind == "zstd":
        image.write_bytes(zstandard.compress(exports.image("xva").read_bytes()))
    else:
        shutil.copy(exports.image(kind), image)
    md5 = hashlib.md5(image.read_bytes(), usedforsecurity=False).hexdigest()
    Path(f"{image}.checksum").write_text(f"$1$${md5}")
    record = {
        "jobId": "c0ffee00-0000-4000-8000-000000000001",
        "mode": mode,
        "timestamp": 1560000000000,
        "version": "2.0.0",
        "vm": {"uuid": vm["uuid"], "name_label": VM, "power_state": "Running", "VBDs": []},
        "xva": f"./{image.name}",
        "size": image.stat().st_size,
    }
    image.with_suffix(".json").write_text(json.dumps(record))
    return image


@pytest.mark.parametrize("kind", ["xva", "gz", "zstd"])
def test_a_full_backup_is_listed_verified_and_restored(orchestra: tuple[World, Exports], kind: str) -> None:
    world, exports = orchestra
    lay(world, exports, "20190608T132000Z", kind)
    lay(world, exports, "20190609T132000Z", mode="delta")
    before = digest(world.target)
    (one,) = listed(world)
    assert (one["vm"], one["address"], one["job"]) == (VM, f"disk:{VM}@20190608T132000Z", "Xen Orchestra")
    assert one["snapshot_time"] == "2019-06-08T13:20:00+00:00"
    (foreign,) = listed(world, "foreign")
    assert "incremental backup of Xen Orchestra's" in foreign["reason"]
    assert "left disk:xo-vm-backups/" in world.cli("list").stdout
    shown = world.cli("show", f"{VM}@latest")
    assert (shown.returncode, "root" in shown.stdout) == (0, True), shown.stderr
    verified = world.cli("verify", "--all")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1] == "1 good, 0 wrong, 0 could not be read"
    done = world.cli("restore", f"{VM}@latest", "--as", "back", "--new-mac", "--json")
    assert done.returncode == 0, done.stderr
    restored = json_of(done)["disks"]
    assert isinstance(restored, dict)
    vdis = {vdi["uuid"]: vdi["name_label"] for vdi in world.pool.records("VDI").values()}
    originals = {name: uuid for uuid, name in vdis.items() if uuid not in restored.values()}
    assert len(restored) == 2
    assert all(world.pool.same(originals[vdis[uuid]], uuid) for uuid in restored.values())
    assert world.cli("extract", f"{VM}@latest", str(world.folder / "out.raw"), "--disk", "xvda").returncode == 0
    assert digest(world.target) == before, "nothing is ever written there"


def test_single_disks_come_back_to_several_places(orchestra: tuple[World, Exports]) -> None:
    world, exports = orchestra
    lay(world, exports, "20190608T132000Z")
    done = world.cli("restore", f"{VM}@latest", "--disk", "xvdb", "--json")
    assert done.returncode == 0, done.stderr


def turn_a_bit(image: Path) -> None:
    data = bytearray(image.read_bytes())
    data[MIB] ^= 1
    image.write_bytes(data)


def cut(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:-4096])


@pytest.mark.parametrize("damage", [turn_a_bit, cut, Path.unlink])
def test_what_is_damaged_is_found(orchestra: tuple[World, Exports], damage: object) -> None:
    world, exports = orchestra
    image = lay(world, exports, "20190608T132000Z")
    assert callable(damage)
    damage(image)
    before = digest(world.target)
    assert world.cli("verify", "--all").returncode == 13
    assert digest(world.target) == before


def test_a_bit_that_the_format_does_not_see_shows_in_the_checksum(orchestra: tuple[World, Exports]) -> None:
    world, exports = orchestra
    image = lay(world, exports, "20190608T132000Z")
    Path(f"{image}.checksum").write_text(f"$1$${'0' * 32}")
    done = world.cli("verify", "--all")
    assert (done.returncode, "its md5 has changed" in done.stdout) == (13, True), done.stdout


@pytest.mark.parametrize(
    "record", ["", "[]", '{"mode": "full"}', '{"mode": "full", "timestamp": 1, "vm": {"uuid": "../x"}}']
)
def test_a_record_that_is_not_to_be_believed(orchestra: tuple[World, Exports], record: str) -> None:
    world, exports = orchestra
    lay(world, exports, "20190608T132000Z").with_suffix(".json").write_text(record)
    assert listed(world) == []
    (broken,) = listed(world, "broken")
    assert "not to be believed" in broken["reason"]


def test_nothing_is_done_there_but_reading(orchestra: tuple[World, Exports]) -> None:
    world, exports = orchestra
    lay(world, exports, "20190608T132000Z")
    (world.target / "xo-vm-backups" / ".queue").mkdir()
    before = digest(world.target)
    world.configure(job("web*"), head=head(world))
    refused = world.cli("run", "test")
    assert (refused.returncode, "is only read" in refused.stderr + refused.stdout) == (2, True)
    for words in (("check",), ("compress", "disk"), ("target", "init", "disk"), ("adopt", ".", "--target", "disk")):
        done = world.cli(*words)
        assert "Traceback" not in done.stderr, done.stderr
    assert digest(world.target) == before


def test_a_target_without_such_backups_or_with_encrypted_ones(orchestra: tuple[World, Exports]) -> None:
    world, exports = orchestra
    assert world.cli("list").returncode == 10
    lay(world, exports, "20190608T132000Z")
    (world.target / "encryption.json").write_text('{"algorithm":"none"}')
    assert world.cli("list").returncode == 0
    (world.target / "encryption.json").write_text('{"algorithm":"chacha20-poly1305"}')
    done = world.cli("list")
    assert (done.returncode, "encrypted" in done.stdout) == (10, True)


def test_its_backups_stand_beside_new_ones(orchestra: tuple[World, Exports]) -> None:
    world, exports = orchestra
    lay(world, exports, "20190608T132000Z")
    new = world.folder / "new"
    new.mkdir()
    more = f'[targets.new]\ntype = "local"\nid = "{world.identity}"\npath = "{new}"\n'
    world.configure(job("web*").replace('["disk"]', '["new"]'), head=head(world) + more)
    (new / "vmbackup-target.json").write_text(
        json.dumps({"id": world.identity, "label": "new", "created": "2026-01-01T00:00:00Z"})
    )
    before = digest(world.target)
    assert exit_code(world.run()) == 0
    assert [one["target"] for one in listed(world)] == ["disk", "new"]
    status = world.cli("status")
    assert status.returncode == 0, status.stdout
    assert digest(world.target) == before
