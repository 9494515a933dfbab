from typing import Any

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def described(name: str, **fields: object) -> dict[str, Any]:
    return {"name_label": name, "name_description": "", "MTU": 1500, "other_config": {"mine": "yes"}, **fields}


def test_a_network_that_leads_nowhere_is_made_with_a_bridge_of_the_pool(xapi: Client) -> None:
    first, second = (xapi("network.get_record", xapi("network.create", described(name))) for name in ("a", "b"))
    assert [one["bridge"] for one in (first, second)] == ["xapi0", "xapi1"]
    assert (first["PIFs"], first["VIFs"], first["managed"]) == ([], [], True)
    assert (first["MTU"], first["other_config"]) == ("1500", {"mine": "yes"})
    third = xapi("network.get_record", xapi("network.create", described("c", MTU=0, bridge="br-own", managed=False)))
    assert (third["MTU"], third["bridge"], third["managed"]) == ("1500", "br-own", False)


def test_which_bridges_cannot_be_asked_for(xapi: Client) -> None:
    for wrong in ("xenbr7", "xapi7", "a-bridge-whose-name-is-too-long"):
        assert refused(xapi, "network.create", described("a", bridge=wrong)) == ["INVALID_VALUE", "bridge", wrong]
    xapi("network.create", described("a", bridge="br0"))
    assert refused(xapi, "network.create", described("b", bridge="br0")) == ["BRIDGE_NAME_EXISTS", "br0"]


def test_the_first_networks_of_a_pool_have_a_card_of_each_host_and_others_are_added(
    xapi: Client, sim: Simulator
) -> None:
    hosts = xapi("host.get_all")
    for network in xapi("network.get_all"):
        assert [xapi("PIF.get_host", pif) for pif in xapi("network.get_PIFs", network)] == hosts
    wired = xapi("network.get_by_uuid", sim.add_network("storage", "eth2"))
    (pif,) = xapi("network.get_PIFs", wired)
    assert (xapi("PIF.get_device", pif), xapi("PIF.get_host", pif)) == ("eth2", hosts[0])
    assert pif in xapi("host.get_PIFs", hosts[0])
    alone = xapi("network.get_by_uuid", sim.add_network("nowhere"))
    assert xapi("network.get_PIFs", alone) == []


def test_a_network_with_a_card_or_a_plugged_interface_stays(sim: Simulator, xapi: Client) -> None:
    wired = xapi("network.get_all")[0]
    pifs = xapi("network.get_PIFs", wired)
    assert refused(xapi, "network.destroy", wired) == ["NETWORK_CONTAINS_PIF", *pifs]
    network = xapi("network.create", described("a"))
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096, seed=1)], power_state="Halted"))
    (vif,) = xapi("VM.get_VIFs", vm)
    xapi("VIF.move", vif, network)
    xapi.start(vm)
    assert refused(xapi, "network.destroy", network) == ["NETWORK_CONTAINS_VIF", vif]
    xapi("VM.hard_shutdown", vm)
    xapi("network.destroy", network)
    assert refused(xapi, "network.get_record", network) == ["HANDLE_INVALID", "network", network]
    assert xapi("VM.get_VIFs", vm) == []
