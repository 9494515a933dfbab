"""What a restore knows of the pool that takes it."""

import pytest
from tests.core.xapi.pool import MIB

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.xapi.session import Session
from vmbackup.xapi.surroundings import Network, Surroundings, read_surroundings, survey
from vmbackup.xapi.wire import NULL


def one(found: Surroundings, name: str) -> Network:
    (network,) = [network for network in found.networks if network.name == name]
    return network


def test_storage_and_which_of_it_takes_disks(sim: Simulator, session: Session) -> None:
    fast = sim.add_sr("fast")
    found = read_surroundings(session)
    by_name = {storage.sr.name: storage for storage in found.storage}
    assert {storage.ref for storage in found.storage} == set(sim.records("SR"))
    assert by_name["fast"].sr.uuid == fast
    libraries = {record["name_label"] for record in sim.records("SR").values() if record["content_type"] != "user"}
    assert libraries
    assert {name for name, storage in by_name.items() if storage.library} == libraries
    (default,) = [storage for storage in found.storage if storage.ref == found.default_sr]
    assert default.sr.name == "NFS storage"


def test_networks_and_whether_the_world_is_on_them(sim: Simulator, session: Session) -> None:
    private = session.call(
        "network.create", {"name_label": "private", "name_description": "", "MTU": "1500", "other_config": {}}
    )
    found = read_surroundings(session)
    assert (one(found, "private").ref, one(found, "private").wired) == (private, False)
    outside = one(found, "Pool-wide network associated with eth0")
    assert (outside.bridge, outside.wired) == ("xenbr0", True)
    assert outside.uuid == sim.records("network")[outside.ref]["uuid"]


def test_neighbours_are_vms_alone(sim: Simulator, session: Session) -> None:
    sim.add_vm("db", [DiskSpec(MIB), DiskSpec(MIB)], networks=2, power_state="Halted", other_config={"mac_seed": "s"})
    (web,) = [ref for ref, record in sim.records("VM").items() if record["name_label"] == "web"]
    session.call("VM.snapshot", web, "a snapshot")
    found = {vm.name: vm for vm in read_surroundings(session).neighbours}
    assert set(found) == {"web", "db"}
    assert (found["web"].power_state, found["db"].power_state) == ("Running", "Halted")
    assert found["db"].mac_seed == "s"
    records = sim.records("VM")[found["db"].ref]
    assert found["db"].uuid == records["uuid"]
    assert found["db"].macs == {sim.records("VIF")[vif]["MAC"].lower() for vif in records["VIFs"]}
    assert len(found["db"].macs) == 2
    assert found["db"].positions == {
        int(drive["userdevice"]) for drive in sim.records("VBD").values() if drive["VM"] == found["db"].ref
    }, "a CD drive takes a position too"


def test_hosts(sim: Simulator, session: Session) -> None:
    (record,) = sim.records("host").values()
    (metrics,) = sim.records("host_metrics").values()
    (host,) = read_surroundings(session).hosts
    assert host.name == record["name_label"]
    assert str(host.cpus) == record["cpu_info"]["cpu_count"]
    assert host.vendor == record["cpu_info"]["vendor"]
    assert host.memory == int(metrics["memory_total"]) > 0
    software = record["software_version"]
    assert ".".join(map(str, host.xapi)) == software["xapi"]
    assert software["platform_version"].startswith(".".join(map(str, host.platform)))


TABLES: dict[str, dict[str, dict[str, object]]] = {
    "pool": {"OpaqueRef:pool": {"default_SR": NULL}},
    "host": {},
    "host_metrics": {},
    "SR": {},
    "SM": {},
    "network": {},
    "VM": {},
    "VBD": {},
    "VIF": {},
}


def test_an_empty_pool() -> None:
    assert survey(TABLES) == Surroundings(NULL, (), (), (), ())


@pytest.mark.parametrize(
    ("record", "cpus", "xapi", "platform"),
    [
        ({}, 0, (), ()),
        ({"cpu_info": {"cpu_count": "many"}, "software_version": {"xapi": "", "platform_version": "none"}}, 0, (), ()),
        (
            {
                "cpu_info": {"cpu_count": "8"},
                "software_version": {"xapi": "25.6.0-1.2", "platform_version": "3.4.0"},
                "metrics": NULL,
            },
            8,
            (25, 6, 0),
            (3, 4, 0),
        ),
        ({"software_version": {"xapi": "1.20", "platform_version": "2.3.90.4"}}, 0, (1, 20), (2, 3, 90)),
    ],
)
def test_a_host_that_tells_little(
    record: dict[str, object], cpus: int, xapi: tuple[int, ...], platform: tuple[int, ...]
) -> None:
    (host,) = survey({**TABLES, "host": {"OpaqueRef:host": record}}).hosts
    assert (host.cpus, host.xapi, host.platform, host.memory) == (cpus, xapi, platform, 0)


@pytest.mark.parametrize(("content", "library"), [("user", False), ("", False), ("iso", True), ("disk", True)])
def test_what_takes_no_disk(content: str, library: bool) -> None:  # noqa: FBT001 - a case
    (storage,) = survey({**TABLES, "SR": {"OpaqueRef:sr": {"content_type": content, "type": "nfs"}}}).storage
    assert storage.library is library


def test_what_goes_away_between_two_answers_is_left_out() -> None:
    vm = {"VIFs": ["OpaqueRef:gone"], "VBDs": ["OpaqueRef:gone", "OpaqueRef:vbd"], "uuid": "u", "name_label": "web"}
    vbds = {"OpaqueRef:vbd": {"userdevice": "xvdd"}}
    (neighbour,) = survey({**TABLES, "VM": {"OpaqueRef:vm": vm}, "VBD": vbds}).neighbours
    assert neighbour.macs == frozenset()
    assert 3 in neighbour.positions
