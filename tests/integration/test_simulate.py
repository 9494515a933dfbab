"""The simulated pool as a program of its own: it keeps its state, also when it is killed."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.world import World, command, job

from vmbackup.simulator import Simulator
from vmbackup.simulator.control import ask


@contextmanager
def _served(data: Path, end: signal.Signals, *more: str) -> Iterator[str]:
    process = subprocess.Popen(
        command("simulate", "--data", str(data), "--listen", "127.0.0.1:0", *more), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = next(word for word in process.stdout.readline().split() if word.startswith("https://")).rstrip(",")
    try:
        yield url
    finally:
        process.send_signal(end)
        process.wait(timeout=20)
        process.stdout.close()
    assert process.returncode == (-end if end == signal.SIGKILL else 128 + end)


class _Address:
    """What a World needs to know of a pool that another process serves."""

    def __init__(self, data: Path) -> None:
        self.url = ""
        simulator = Simulator(data)
        self.username, self.password = simulator.username, simulator.password
        self.fingerprint = simulator.fingerprint
        simulator.stop()


def test_a_pool_of_its_own_keeps_vms_and_addresses_over_its_death(tmp_path: Path) -> None:
    data = tmp_path / "pool"
    with _served(data, signal.SIGKILL) as url:
        pass
    address = _Address(data)
    world = World(tmp_path, address)  # type: ignore[arg-type]
    for end in (signal.SIGKILL, signal.SIGTERM):
        with _served(data, end) as url:
            address.url = url
            world.configure(job("archive-old"))
            if not world.files():
                world.init_target()
            assert world.cli("run", "test").returncode == 0
    first, second = world.backups()
    assert first.manifest.vm == second.manifest.vm
    assert first.manifest.image is not None
    assert second.manifest.image is not None
    digests = [[disk.blocks_digest for disk in image.disks] for image in (first.manifest.image, second.manifest.image)]
    assert digests[0] == digests[1], "the disk of the halted VM is the same after the pool's death"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "nonsense", "127.0.0.1:port"])
def test_it_listens_on_loopback_only(tmp_path: Path, listen: str) -> None:
    done = subprocess.run(
        command("simulate", "--data", str(tmp_path / "pool"), "--listen", listen),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_it_goes_wrong_by_a_file_and_is_told_more_at_run_time(tmp_path: Path) -> None:
    data, rules = tmp_path / "pool", tmp_path / "rules.toml"
    rules.write_text('[[fault]]\nkind = "CallFails"\nmethod = "VM.snapshot"\ncode = "SR_FULL"\nnth = "every"\n')
    with _served(data, signal.SIGTERM, "--faults", str(rules)):
        listed = ask(data, "list")
        assert isinstance(listed, list)
        assert [one["rule"]["code"] for one in listed] == ["SR_FULL"]
        assert ask(data, "add", rule={"kind": "Outage", "seconds": 1}) == 2
        assert ask(data, "coalesce") == 0
    assert not (data / "control.sock").exists()


def test_faults_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[fault]]\nkind = "Cutt"\n')
    done = subprocess.run(
        command("simulate", "--data", str(tmp_path / "pool"), "--listen", "127.0.0.1:0", "--faults", str(rules)),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "unknown kind 'Cutt'; is Cut meant?" in " ".join(done.stderr.split())
