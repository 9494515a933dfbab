"""`vmbackup check` as a user meets it: what it says, its exit codes, and that it leaves nothing."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.world import World, command, job

from vmbackup.conformance import PROMISES


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_good_target_is_told_line_by_line_and_left_as_it_was(world: World) -> None:
    assert world.cli("run", "test").returncode == 0
    before = everything(world.target)
    done = world.cli("check", "--target", "disk", "--size", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    *kept, speed, last = done.stdout.splitlines()
    assert kept == [f"disk ok: {promise.__name__.replace('_', ' ')}" for promise in PROMISES]
    assert re.fullmatch(r"disk speed: write \d+\.\d MiB/s, read \d+\.\d MiB/s, with 3\.0 MiB", speed)
    assert last == f"disk: {len(PROMISES)} promises kept, 0 broken"
    assert everything(world.target) == before
    assert not (world.target / "vmbackup-check").exists()


def test_exit_13_for_a_broken_promise(world: World, tmp_path: Path) -> None:
    facts = tmp_path / "buggy" / "vmbackup_buggy-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: vmbackup-buggy\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[vmbackup]\nbuggy = vmbackup_buggy\n")
    (tmp_path / "buggy" / "vmbackup_buggy.py").write_text(BUGGY)
    world.configure("", head=world.head.replace('type = "local"', 'type = "buggy"'))
    done = world.cli("check", "--size", "1", env={"PYTHONPATH": str(tmp_path / "buggy")})
    assert done.returncode == 13, done.stdout + done.stderr
    assert "disk failed: deletes twice: deleting a file, and deleting it again, raised" in done.stdout
    assert f"disk: {len(PROMISES) - 1} promises kept, 1 broken" in done.stdout


BUGGY = '''
from vmbackup import KeyMissing, hookimpl
from vmbackup_targets.local import Local

class Buggy(Local):
    """A target that complains."""
    name = "buggy"

    def delete(self, key):
        if key.endswith("a/key") and self.stat(key) is None:
            raise KeyMissing(f"nothing is stored under {key}")
        super().delete(key)

@hookimpl
def vmbackup_register():
    return [Buggy]
'''


def test_exit_10_and_nothing_written_where_it_is_another_target(world: World) -> None:
    world.configure("", head=world.head.replace(world.identity, "another"))
    before = everything(world.target)
    done = world.cli("check", "--target", "disk")
    assert done.returncode == 10
    assert "ok" not in done.stdout
    assert everything(world.target) == before


@pytest.mark.parametrize("arguments", [("check",), ("run", "test"), ("list",)])
def test_exit_10_where_the_folder_is_on_another_disk(world: World, arguments: tuple[str, ...]) -> None:
    wanted = "0ddba11e-0000-4000-8000-00000000000b"
    world.configure(job("web*"), head=f'{world.head}filesystem = "{wanted}"\n')
    before = everything(world.target)
    done = world.cli(*arguments)
    assert done.returncode == 10, done.stdout + done.stderr
    told = done.stdout + done.stderr
    assert f"{world.target} is on the file system " in told
    assert f"the configuration says {wanted}" in told
    assert everything(world.target) == before


def test_exit_2_for_a_target_that_is_not_there(world: World) -> None:
    done = world.cli("check", "--target", "disc")
    assert done.returncode == 2
    assert "there is no target 'disc'; there is disk" in done.stderr


def test_exit_11_while_another_check_of_the_target_is_under_way(world: World) -> None:
    with world.site().state().lock("check=disk"):
        done = world.cli("check", "--target", "disk")
    assert done.returncode == 11
    assert f"another check of the target 'disk' is under way: process {os.getpid()}" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_one_that_is_ended_leaves_nothing_or_the_next_one_does(world: World, number: signal.Signals, code: int) -> None:
    before = everything(world.target)
    with subprocess.Popen(
        command("check", "--size", "100000"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        while not _speed_is_measured(world.target / "vmbackup-check"):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == code
    left = world.target / "vmbackup-check"
    assert left.exists() == (number == signal.SIGKILL)
    assert world.cli("check", "--size", "1").returncode == 0
    assert everything(world.target) == before
    assert not left.exists()


def _speed_is_measured(scratch: Path) -> bool:
    try:
        return any(scratch.glob("*/.speed.*.partial"))
    except FileNotFoundError:
        # It comes and goes with every promise.
        return False
