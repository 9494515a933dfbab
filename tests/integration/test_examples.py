"""What the documentation shows is run as it stands, with the addresses of a test put in."""

import re
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, json_of

from vmbackup.config_file import load
from vmbackup.registry import Registry
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.site import Site

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


def _adapted(text: str, world: World, folder: Path) -> str:
    for name in ("smtp.password", "pool.password"):
        (folder / name).write_text(world.pool.password)
        (folder / name).chmod(0o600)
        text = text.replace(f"/etc/vmbackup/{name}", str(folder / name))
    text = text.replace("https://xen1.example.edu", world.pool.url).replace("/mnt/backups", str(world.target))
    text = text.replace('username = "vmbackup"', f'username = "{world.pool.username}"')
    return f'state = "{folder}/state"\n{text}'.replace("/var/lib/vmbackup-reports", str(folder))


def test_the_readme_shows_the_example() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block == (ROOT / "examples" / "weekend.toml").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads_with_the_plugins_that_it_names(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    copy.chmod(0o600)
    site = Site(load(copy), Registry.installed())
    for name in site.config.jobs:
        assert site.job(name).methods


def test_the_first_steps_of_the_readme(tmp_path: Path, pool: Simulator) -> None:
    """trust, target init, preview, run, list, verify and restore, as the README tells them, one mistake included."""
    for name in ("PROD-web", "PROD-CentOS7-large-user-disks", "PROD-print-1", "DEV-1"):
        pool.add_vm(name, [DiskSpec(2 * MIB, seed=3), DiskSpec(2 * MIB, seed=4)])
    world = World(tmp_path, pool)
    world.config.write_text(_adapted((ROOT / "examples" / "weekend.toml").read_text(), world, tmp_path))
    world.config.chmod(0o600)
    too_early = world.cli("run", "weekend")
    assert too_early.returncode == 12
    assert "vmbackup trust" in too_early.stdout
    assert world.cli("trust", pool.url, "--yes").returncode == 0
    done = world.cli("target", "init", "nas")
    assert done.returncode == 0, done.stderr
    (identity,) = re.findall(r'id = "[0-9a-f-]+"', done.stdout)
    forgotten = world.cli("run", "weekend")
    assert forgotten.returncode == 10
    assert identity in forgotten.stdout, "the message has the line that is missing"
    world.config.write_text(world.config.read_text().replace('type = "local"', f'type = "local"\n{identity}'))
    plan = json_of(world.cli("preview", "weekend", "--json"))
    tasks = {task["vm"]: (task["method"], len(task["disks"])) for task in plan["tasks"]}  # type: ignore[attr-defined]
    assert tasks == {"PROD-web": ("vm-export", 2), "PROD-CentOS7-large-user-disks": ("vdi-export", 1)}
    assert world.cli("run", "weekend").returncode == 0
    assert "PROD-web" in world.cli("list").stdout
    assert world.cli("verify", "--all").returncode == 0
    restored = world.cli("restore", "PROD-web@latest", "--as", "PROD-web-restored", "--new-mac", "--start")
    assert restored.returncode == 0, restored.stderr
    (vm,) = [vm for vm in pool.records("VM").values() if vm["name_label"] == "PROD-web-restored"]
    assert vm["power_state"] == "Running"
