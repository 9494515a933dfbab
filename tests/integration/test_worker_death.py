"""The worker that compresses later, killed at 200 instants: one good generation counts, and the next goes on."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, distribution, job

from vmbackup.manifest import BEGUN, MANIFEST, generation_name
from vmbackup.results import Backup, exit_code
from vmbackup.simulator import DiskSpec

PHASES = ("read", "write", "read back", "publish", "delete")
INSTANTS = 40


class Zygote:
    """A process that has imported everything, and forks workers that die."""

    def __init__(self, world: World, folder: Path) -> None:
        script = Path(__file__).with_name("mortal.py")
        distribution(folder, "mortal")
        config = folder / "vmbackup.toml"
        config.touch(0o600)
        config.write_text(world.config.read_text().replace('type = "local"', 'type = "mortal"'))
        self._process = subprocess.Popen(
            [sys.executable, str(script), "compress", "disk"],
            env=world.environ({"PYTHONPATH": str(folder), "VMBACKUP_CONFIG": str(config)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, phase: str = "none", number: int = 0, microseconds: int = 0) -> tuple[int, dict[str, int]]:
        """Run a worker that dies at an instant, or lives; return its exit code and what it has done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{phase} {number} {microseconds}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["counts"]

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def zygote(world: World, tmp_path: Path) -> Iterator[Zygote]:
    """A world with one backup that waits, on a target that tells what is done on it, and the zygote."""
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(7).randbytes(12 * MIB))
    world.pool.add_vm("large", [DiskSpec(12 * MIB, source=noise)], power_state="Halted")
    world.configure(job("large", more='compress = { with = "zstd", level = 1, when = "after" }'))
    assert exit_code(world.run()) == 0
    made = Zygote(world, tmp_path / "mortal")
    yield made
    made.close()


def _expect_one_good(world: World, when: str) -> Backup:
    """One backup, whose every file is right, for us and for a person: what tells of files tells of those that are."""
    (backup,) = world.backups()
    assert [verdict.wrong for verdict in world.verify_all()] == [()], when
    folder = world.target / backup.folder
    sums = sorted(folder.glob("SHA256SUMS*"))
    assert sums, when
    for found in sums:
        done = subprocess.run(["sha256sum", "--quiet", "-c", found.name], check=False, cwd=folder, capture_output=True)
        assert done.returncode == 0, (when, found.name, done.stderr)
    assert {path.name for path in folder.glob("RESTORE*.txt")} & {"RESTORE.txt", "RESTORE.2.txt"}, when
    return backup


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.timeout(300)
def test_killed_at_forty_instants_of_a_phase(world: World, zygote: Zygote, phase: str) -> None:
    chance = random.Random(phase)
    pristine = world.folder / "pristine"
    world.target.rename(pristine)
    shutil.copytree(pristine, world.target, copy_function=os.link)
    code, counts = zygote.run()
    assert code == 0
    deaths = 0
    for _ in range(INSTANTS):
        shutil.rmtree(world.target)
        shutil.copytree(pristine, world.target, copy_function=os.link)
        number, later = chance.randint(1, counts[phase]), chance.randrange(3000)
        code, _ = zygote.run(phase, number, later)
        when = f"{phase} {number} of {counts[phase]}, {later} us later"
        assert code in {-signal.SIGKILL, 0}, when
        deaths += code != 0
        _expect_one_good(world, when)
        assert zygote.run()[0] == 0, when
        backup = _expect_one_good(world, when)
        assert backup.manifest.generation == 2, when
        whole = {f"{backup.folder}/{file.name}" for file in backup.manifest.files}
        whole |= {f"{backup.folder}/{BEGUN}", f"{backup.folder}/{generation_name(MANIFEST, 2)}"}
        assert world.files() - {"vmbackup-target.json"} == whole, when
    assert deaths >= 20, "the others had ended before their time came"
