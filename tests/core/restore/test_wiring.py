"""Which network each interface is on then, and by which MAC."""

import pytest
from tests.core.restore.cases import MACS, NETWORKS, POOL, VIFS, advice, network, obj, ova, plan, pool, problems

from vmbackup.restore import Wishes
from vmbackup.xapi.surroundings import Network

LAN, DMZ = POOL.networks


def wired(wishes: Wishes, *networks: Network) -> list[str]:
    planned = plan(wishes, pool(networks=networks or POOL.networks))
    assert planned.problems == ()
    return [vif.network.uuid for vif in planned.vifs]


def test_by_name_with_the_old_macs() -> None:
    assert wired(Wishes()) == ["uuid-LAN", "uuid-DMZ"]
    assert [(vif.device, vif.was, vif.mac) for vif in plan().vifs] == [("0", "LAN", MACS[0]), ("1", "DMZ", MACS[1])]
    assert [vif.mac for vif in plan(Wishes(new_mac=True)).vifs] == ["", ""]


def test_a_name_counts_before_a_bridge() -> None:
    assert wired(Wishes(), network("DMZ", "xenbr0"), network("LAN", "xenbr1")) == ["uuid-LAN", "uuid-DMZ"]


def test_by_bridge_where_the_name_is_unknown() -> None:
    assert wired(Wishes(), network("office", "xenbr0"), DMZ) == ["uuid-office", "uuid-DMZ"]


def test_by_uuid_where_the_name_is_there_twice() -> None:
    assert wired(Wishes(), network("LAN", "xenbr8"), network("LAN", "xenbr9", "net-lan"), DMZ) == [
        "net-lan",
        "uuid-DMZ",
    ]


@pytest.mark.parametrize("old", ["DMZ", "net-dmz", "xenbr1"])
@pytest.mark.parametrize("new", ["LAN", "uuid-LAN"])
def test_a_mapping_names_a_network_by_name_uuid_or_bridge(old: str, new: str) -> None:
    assert wired(Wishes(map_network=((old, new),))) == ["uuid-LAN", "uuid-LAN"]


def test_the_first_mapping_counts() -> None:
    assert wired(Wishes(map_network=(("DMZ", "LAN"), ("xenbr1", "DMZ")))) == ["uuid-LAN", "uuid-LAN"]


def test_two_interfaces_on_one_network() -> None:
    twice = [obj("VIF", 20 + number, device=str(number), network="Ref:30", MAC=MACS[number]) for number in (1, 0)]
    planned = plan(Wishes(map_network=(("LAN", "DMZ"),)), meta=ova(vifs=twice))
    assert [(vif.device, vif.network.name) for vif in planned.vifs] == [("0", "DMZ"), ("1", "DMZ")]
    missing = plan(Wishes(), pool(networks=(DMZ,)), meta=ova(vifs=twice))
    assert problems(missing) == ["the pool has no network 'LAN'"], "told once"
    wrong = plan(Wishes(map_network=(("lan", "DMZ"),)), meta=ova(vifs=twice))
    assert advice(wrong) == ["It is on 'LAN'."]


def test_interfaces_come_in_the_order_of_their_numbers() -> None:
    vifs = [obj("VIF", 20 + number, device=str(number), network="Ref:30", MAC="") for number in (10, 2, 0)]
    assert [vif.device for vif in plan(meta=ova(vifs=vifs)).vifs] == ["0", "2", "10"]


def test_a_network_that_is_missing() -> None:
    planned = plan(Wishes(), pool(networks=(network("office", "xenbr7"), network("lab", "xenbr8"))))
    assert problems(planned) == ["the pool has no network 'LAN'", "the pool has no network 'DMZ'"]
    assert advice(planned)[0] == "Name another, --map-network 'LAN'=NAME, out of 'lab', 'office'."


def test_two_networks_of_one_name() -> None:
    planned = plan(Wishes(), pool(networks=(network("LAN", "xenbr8", "one"), network("LAN", "xenbr9", "two"), DMZ)))
    assert problems(planned) == ["2 networks of the pool are called 'LAN'"]
    assert advice(planned) == ["Name one of one, two: --map-network 'LAN'=UUID."]


def test_a_mapping_to_nothing_or_to_several_says_how_it_is_written() -> None:
    planned = plan(Wishes(map_network=(("LAN", "nothing"),)))
    assert problems(planned) == ["the pool has no network 'nothing'"]
    assert advice(planned) == ["Name another, --map-network 'LAN'=NAME, out of 'DMZ', 'LAN'."]
    twins = (network("lab", "xenbr8", "one"), network("lab", "xenbr9", "two"))
    planned = plan(Wishes(map_network=(("LAN", "lab"),)), pool(networks=(*POOL.networks, *twins)))
    assert problems(planned) == ["2 networks of the pool are called 'lab'"]
    assert advice(planned) == ["Name one of one, two: --map-network 'LAN'=UUID."]


def test_a_mapping_of_nothing() -> None:
    planned = plan(Wishes(map_network=(("lan", "DMZ"),)))
    assert problems(planned) == ["--map-network: the VM is on no network 'lan'"]
    assert advice(planned) == ["It is on 'LAN', 'DMZ'."]
    planned = plan(Wishes(map_network=(("lan", "DMZ"),)), meta=ova(vifs=()))
    assert advice(planned) == ["It is on none."]


def test_a_name_with_an_equals_sign_is_named_by_its_uuid() -> None:
    odd = obj("network", 30, uuid="net-odd", name_label="VLAN=12", bridge="")
    planned = plan(there=pool(networks=(DMZ,)), meta=ova(vifs=VIFS[:1], networks=(odd, NETWORKS[1])))
    assert problems(planned) == ["the pool has no network 'VLAN=12'"]
    assert advice(planned) == ["Name another, --map-network 'net-odd'=NAME, out of 'DMZ'."]
