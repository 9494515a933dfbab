from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, hosts=2) as running:
        yield running


def test_a_new_coordinator_is_designated_and_the_old_one_points_to_it(sim: Simulator, xapi: Client) -> None:
    xapi("pool.designate_new_master", sim.hosts[1].ref)
    with pytest.raises(Refused) as caught:
        xapi("pool.get_all")
    assert caught.value.details == ["HOST_IS_SLAVE", "127.0.0.2"]
    with pytest.raises(Refused) as caught:
        xapi.at(sim.hosts[1].url)("pool.get_all")
    assert caught.value.details == ["SESSION_INVALID", xapi.session]
    anew = Client(sim)
    assert anew("pool.get_master", anew("pool.get_all")[0]) == sim.hosts[1].ref


def test_to_designate_the_coordinator_changes_nothing(sim: Simulator, xapi: Client) -> None:
    xapi("pool.designate_new_master", sim.hosts[0].ref)
    assert xapi("pool.get_master", xapi("pool.get_all")[0]) == sim.hosts[0].ref


def test_a_host_that_cannot_lead_is_refused(sim: Simulator, xapi: Client) -> None:
    with sim.editing() as pool:
        pool.db.set("host", sim.hosts[1].ref, enabled=False)
    for down, code in ((False, "HOST_DISABLED"), (True, "HOST_OFFLINE")):
        if down:
            sim.host_down(sim.hosts[1])
        with pytest.raises(Refused) as caught:
            xapi("pool.designate_new_master", sim.hosts[1].ref)
        assert caught.value.details == [code, sim.hosts[1].ref]
        with sim.editing() as pool:
            pool.db.set("host", sim.hosts[1].ref, enabled=True)
