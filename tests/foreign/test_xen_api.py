"""Xen Orchestra's XAPI client takes the simulator for a pool."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.foreign.tools import run

from vmbackup.simulator import DiskSpec, Simulator

HERE = Path(__file__).parent
MIB = 1 << 20
KEPT = ("VM", "VBD", "VIF", "VDI", "SR", "pool", "task")


@pytest.fixture(scope="session")
def script(pytestconfig: pytest.Config) -> Path:
    """Give the script where its packages are: beside it, or in a folder of pytest's cache that is filled once."""
    if (HERE / "node_modules" / "xen-api").is_dir():
        return HERE / "xen_api.mjs"
    assert pytestconfig.cache is not None
    locked = (HERE / "package-lock.json").read_bytes()
    folder = pytestconfig.cache.mkdir(f"xen-api-{hashlib.sha256(locked).hexdigest()[:16]}")
    with (folder / "lock").open("w") as lock:  # other workers wait for the one that installs
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json", "xen_api.mjs"):
            shutil.copy(HERE / name, folder)
        if not (folder / "complete").exists():
            run("npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
            (folder / "complete").touch()
    return folder / "xen_api.mjs"


def digests(sim: Simulator, uuids: list[str]) -> list[str]:
    return [sim.digest(uuid) for uuid in uuids]


def kept(sim: Simulator) -> dict[str, set[str]]:
    """Give the refs of what a client sees; hidden base copies come and go as the storage likes."""
    return {cls: {ref for ref, one in sim.records(cls).items() if one.get("managed", True)} for cls in KEPT}


@pytest.mark.parametrize("transport", ["json-rpc", "xml-rpc", "auto"])
def test_xen_orchestras_client_backs_up_and_restores(
    sim: Simulator, script: Path, tmp_path: Path, transport: str
) -> None:
    specs = [DiskSpec(5 * MIB + 512, seed=1, fill=0.5), DiskSpec(3 * MIB, seed=2, fill=1.0)]
    uuid = sim.add_vm("büro 東京 <&>", specs, memory=1 << 30)
    before = kept(sim)
    given = (sim.url, sim.username, sim.password, transport, uuid, tmp_path)
    facts = json.loads(run("node", script, *given, NODE_EXTRA_CA_CERTS=str(sim.certificate)))
    number = str if transport == "xml-rpc" else int
    assert facts["pool"] == "simulated pool"
    assert {"VM", "VM_metrics", "VDI", "VBD", "SR", "SM", "PBD", "PIF", "host", "host_metrics"} <= set(facts["types"])
    assert facts["memory"] == number(1 << 30)
    assert facts["disks"] == [number(spec.size) for spec in specs]
    assert facts["host"] is True
    assert facts["noted"] == "value"
    assert facts["error"] == ["HANDLE_INVALID", "VM", "OpaqueRef:nothing"]
    assert facts["snapshot"] == ["[XO Backup] snapshot", True, uuid]
    assert facts["messages"] == ["VM_SNAPSHOTTED"]
    assert facts["gone"] == [True, True, True]
    assert "cancel" in facts["cancelled"]
    assert sorted(digests(sim, facts["imported"])) == sorted(digests(sim, facts["sources"]))
    assert sim.digest(facts["restored"]) == sim.digest(facts["sources"][0])
    after = kept(sim)
    assert {cls: len(after[cls] - before[cls]) for cls in ("VM", "VDI", "task")} == {"VM": 1, "VDI": 3, "task": 0}
    assert all(before[cls] <= after[cls] for cls in KEPT)
    assert sim.records("session") == {}
