"""The example of a target of one's own, by its own tests, and as an installation has it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.integration.world import World, job

from vmbackup.conformance import PROMISES

ROOT = Path(__file__).parents[2]


def test_it_keeps_every_promise() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "examples/test_shelf.py"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert f"{len(PROMISES)} passed" in done.stdout


def test_backups_go_to_it_once_it_is_installed(world: World, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    facts = site / "vmbackup_shelf-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: vmbackup-shelf\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[vmbackup]\nshelf = shelf\n")
    shutil.copy(ROOT / "examples/shelf.py", site)
    env = {"PYTHONPATH": str(site)}
    head = world.head.replace('type = "local"', 'type = "shelf"').replace(str(world.target), f"{tmp_path}/shelf.db")
    world.configure(job("web*"), head=head)
    made = world.cli("target", "init", "disk", env=env)
    (identity,) = re.findall(r'id = "(.+)"', made.stdout)
    world.configure(job("web*"), head=head.replace(world.identity, identity))
    for arguments in (["run", "test"], ["verify", "--all"], ["check", "--size", "1"]):
        done = world.cli(*arguments, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"disk: {len(PROMISES)} promises kept, 0 broken" in done.stdout
