"""A real file system goes through a backup and comes back whole, by both methods."""

import subprocess
import sysconfig
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job, json_of

from vmbackup.simulator import DiskSpec, Simulator

SIZE = 320 * MIB
STDLIB = Path(sysconfig.get_paths()["stdlib"])
PARTS = ("json", "email", "asyncio", "unittest", "encodings", "test")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An ext4 image of several hundred MiB, made from a folder of this machine."""
    path = tmp_path / "disk.img"
    folder = tmp_path / "files"
    folder.mkdir()
    for part in PARTS:
        subprocess.run(["cp", "-a", str(STDLIB / part), str(folder)], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(path), f"{SIZE // 1024}k"], check=True)
    return path


@pytest.mark.parametrize("more", ["", 'method = "vdi-export"', 'method = "vhd"'], ids=["vm-export", "raw", "vhd"])
@pytest.mark.timeout(240)
def test_an_ext4_image_survives(tmp_path: Path, pool: Simulator, image: Path, more: str) -> None:
    pool.add_vm("linux", [DiskSpec(SIZE, source=image)], power_state="Halted")
    world = World(tmp_path, pool)
    world.configure(job("linux", more=more) + '\n[methods.vhd]\ntype = "vdi-export"\nformat = "vhd"\n')
    world.init_target()
    assert world.cli("run", "test").returncode == 0
    done = world.cli("restore", "linux@latest", "--as", "back", "--json")
    assert done.returncode == 0, done.stderr
    disks = json_of(done)["disks"]
    assert isinstance(disks, dict)
    restored = pool.disk_path(str(disks["0"]))
    check = subprocess.run(["e2fsck", "-fn", str(restored)], check=False, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {out}", str(restored)], check=True, capture_output=True)
    (out / "lost+found").rmdir()
    compared = subprocess.run(["diff", "-r", str(tmp_path / "files"), str(out)], check=False, capture_output=True)
    assert compared.returncode == 0, compared.stdout[:2000]
