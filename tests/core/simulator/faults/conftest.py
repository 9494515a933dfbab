import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(5 * MIB + 512, seed=1, fill=1.0)], power_state="Halted"))
