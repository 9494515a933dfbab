"""The example of a method, installed as a stranger would into a new environment, and held to its promises."""

import json
from pathlib import Path

import pytest
from tests.integration.test_new_plugins import clean, ran
from tests.integration.world import World, job

from vmbackup.testing import METHOD_PROMISES
from vmbackup.xapi.standing import standing

__all__ = ["clean"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "vmbackup-vm-copy"


@pytest.mark.timeout(400)
def test_it_installs_keeps_every_promise_and_leaves_a_copy(clean: Path, world: World, tmp_path: Path) -> None:
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation", "--no-index", EXAMPLE)
    assert "Successfully installed vmbackup-vm-copy-0.1.0" in ran(clean, *pip, cwd=tmp_path)
    # From elsewhere, so that what is installed is tested, and not what lies there.
    tests = ran(clean, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests", cwd=tmp_path)
    assert f"{len(METHOD_PROMISES)} passed" in tests
    found = json.loads(ran(clean, "-m", "vmbackup", "plugins", "--json", cwd=tmp_path))
    assert ("method", "vm-copy", "vmbackup-vm-copy") in {
        (one["kind"], one["name"], one["distribution"]) for one in found["plugins"]
    }
    world.pool.add_sr("vault")
    world.configure(job("web*", more='method = "vm-copy"'), head=f'{world.head}\n[methods.vm-copy]\nsr = "vault"\n')
    world.init_target()
    said = ran(clean, "-m", "vmbackup", "run", "test", "--strict", "--config", world.config, cwd=tmp_path)
    assert "web 01" in said
    (copy,) = [vm for vm in world.pool.records("VM").values() if standing(vm)]
    assert copy["name_label"].startswith("web 01 (copy of 2")
    assert copy["power_state"] == "Halted"
