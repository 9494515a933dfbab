"""`vmbackup restore`: planned first, with SRs, networks and MACs as wished, and single disks out of whole VMs."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job, json_of, stranger

from vmbackup.restore.cautions import MAPPED
from vmbackup.results import exit_code
from vmbackup.simulator import CallFails, CallHook, DiskSpec, Simulator
from vmbackup.simulator.faults import Cut, TaskFails, TaskGone

ROOT = Path(__file__).parents[2]
OLD = "Pool-wide network associated with eth0"
PACKINGS = ["", 'compress = { with = "zstd" }', 'compress = { with = "gzip", when = "host" }']


@pytest.fixture
def site(tmp_path: Path, pool: Simulator) -> World:
    """A backup of a VM with three disks, one of them empty, two interfaces, UEFI variables and a TPM."""
    disks = [
        DiskSpec(5 * MIB, seed=1, fill=0.6, name="root"),
        DiskSpec(9 * MIB, name="empty"),
        DiskSpec(7 * MIB + 512 * 1024, seed=3, fill=0.3, name="data"),
    ]
    pool.add_vm("web 01", disks, networks=2, nvram={"EFI-variables": "c2VjcmV0"}, vtpm="c2VhbGVk", tags=["web"])
    return World(tmp_path, pool)


def back_up(world: World, more: str = "") -> None:
    world.configure(job("web*", more=more))
    world.init_target()
    assert exit_code(world.run()) == 0


def macs(world: World, name: str) -> dict[str, tuple[str, str]]:
    """Network and MAC of each interface of the VM, by its device."""
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == name and not vm["is_a_snapshot"]]
    networks = world.pool.records("network")
    vifs = [world.pool.records("VIF")[vif] for vif in vm["VIFs"]]
    return {vif["device"]: (networks[vif["network"]]["name_label"], vif["MAC"]) for vif in vifs}


def vm_called(world: World, name: str) -> dict[str, object]:
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == name]
    return vm


def expect_no_marks(world: World) -> None:
    for cls in ("VM", "VDI", "network"):
        for record in world.pool.records(cls).values():
            assert not [key for key in record["other_config"] if key.startswith("vmbackup")], record
    assert world.journals() == []


def expect_same_disks(world: World, disks: dict[str, str]) -> None:
    (backup,) = world.backups()
    assert backup.manifest.image is not None
    for disk in backup.manifest.image.disks:
        assert world.pool.same(disk.uuid, disks[str(disk.position)]), disk.name


def test_a_plan_tells_all_and_changes_nothing(site: World) -> None:
    back_up(site)
    before = site.records()
    done = site.cli("restore", "web 01@latest", "--plan", "--start")
    assert done.returncode == 2, done.stdout
    assert site.records() == before
    shown = done.stdout
    assert "comes back as a new VM, by one import of the whole image, called web 01; it is started" in shown
    for vif in macs(site, "web 01").values():
        assert re.search(rf"^\d +{re.escape(vif[0])} +{re.escape(vif[0])} +{vif[1]}$", shown, re.MULTILINE), shown
    assert re.search(r"^root +0 +5\.0 MiB +\S+ MiB +NFS storage", shown, re.MULTILINE), shown
    assert "warning there is a VM 'web 01' already" in shown
    assert "problem the VM 'web 01'" in shown
    assert "is running with" in shown
    planned = json_of(site.cli("restore", "web 01@latest", "--plan", "--new-mac", "--as", "back", "--json"))
    assert planned["problems"] == planned["warnings"] == []
    assert [disk["name"] for disk in planned["disks"]] == ["root", "empty", "data"]  # type: ignore[attr-defined]
    assert [vif["mac"] for vif in planned["vifs"]] == [None, None]  # type: ignore[attr-defined]
    assert site.records() == before


def test_every_problem_is_told_at_once_and_nothing_is_touched(site: World) -> None:
    back_up(site)
    before = site.records()
    wrong = ("--sr", "nowhere", "--map-network", "no net=x", "--map-network", f"{OLD}=nothing", "--map-sr", "xvdz=a")
    for plan in ((), ("--plan",)):
        done = site.cli("restore", "web 01@latest", *wrong, *plan)
        assert done.returncode == 2
        said = done.stdout + done.stderr
        for part in (
            "0 SRs of the pool are called 'nowhere'",
            "on no network 'no net'",
            "no network 'nothing'",
            "'xvdz'",
        ):
            assert part in said
    assert site.records() == before
    done = site.cli("restore", "web 01@latest", "--map-sr", "xvda")
    assert (done.returncode, "--map-sr OLD=NEW" in done.stderr) == (2, True)


def test_a_vm_comes_back_on_its_networks_with_its_macs_and_tags(site: World) -> None:
    back_up(site)
    before = macs(site, "web 01")
    done = site.cli("restore", "web 01@latest", "--as", "back", "--tag", "restored", "--tag", "odd", "--json")
    assert done.returncode == 0, done.stderr
    assert macs(site, "back") == before
    assert set(vm_called(site, "back")["tags"]) == {"web", "restored", "odd"}  # type: ignore[call-overload]
    expect_no_marks(site)
    expect_same_disks(site, json_of(done)["disks"])  # type: ignore[arg-type]
    new = site.cli("restore", "web 01@latest", "--as", "new", "--new-mac", "--start")
    assert new.returncode == 0, new.stderr
    assert {device: network for device, (network, _) in macs(site, "new").items()} == {
        device: network for device, (network, _) in before.items()
    }
    assert not {mac for _, mac in macs(site, "new").values()} & {mac for _, mac in before.values()}
    assert vm_called(site, "new")["power_state"] == "Running"


@pytest.fixture
def elsewhere(site: World, tmp_path: Path) -> Iterator[World]:
    """The backup, and another pool that has neither the SR nor the network of the old one."""
    back_up(site)
    with Simulator(tmp_path / "other", password="canary-7Qx4") as other:
        there = World.__new__(World)
        there.folder, there.pool, there.identity = site.folder, other, site.identity
        with stranger(there) as session:
            (network,) = session.xenapi.network.get_by_name_label(OLD)
            session.xenapi.network.set_name_label(network, "LAN")
        there.configure(job("web*"))
        yield there


def test_another_pool_takes_it_once_its_networks_are_named(elsewhere: World) -> None:
    # By its bridge the network would be found: the other pool's is named anew, as its interface may be another.
    db = elsewhere.pool._pool.db
    for network in db.table("network"):
        db.set("network", network, bridge="xenbr7")
    before = elsewhere.records(), elsewhere.pool.records("network")
    done = elsewhere.cli("restore", "web 01@latest")
    assert done.returncode == 2
    assert f"the pool has no network '{OLD}'" in done.stderr
    assert "'LAN'" in done.stderr
    assert (elsewhere.records(), elsewhere.pool.records("network")) == before
    done = elsewhere.cli("restore", "web 01@latest", "--map-network", f"{OLD}=LAN", "--start")
    assert done.returncode == 0, done.stderr
    assert [network for network, _ in macs(elsewhere, "web 01").values()] == ["LAN", OLD.replace("eth0", "eth1")]
    names = [network["name_label"] for network in elsewhere.pool.records("network").values()]
    assert OLD not in names, "the network that the import has made for want of the old one is gone again"
    expect_no_marks(elsewhere)


@pytest.mark.parametrize("more", PACKINGS)
def test_disks_go_to_srs_of_their_own(site: World, more: str) -> None:
    back_up(site, more)
    before = macs(site, "web 01")
    fast, slow = site.pool.add_sr("fast"), site.pool.add_sr("slow")
    names = (
        ("--map-sr", "xvda=fast", "--sr", "slow")
        if not more
        else ("--map-sr", "root=fast", "--map-sr", "NFS storage=slow")
    )
    done = site.cli("restore", "web 01@latest", "--as", "back", *names, "--json")
    assert done.returncode == 0, done.stderr
    told = json_of(done)["disks"]
    assert isinstance(told, dict)
    srs, vdis = site.pool.records("SR"), site.pool.records("VDI")
    where = {vdi["uuid"]: srs[vdi["SR"]]["uuid"] for vdi in vdis.values()}
    assert [where[told[position]] for position in sorted(told)] == [fast, slow, slow]
    expect_same_disks(site, told)
    back = vm_called(site, "back")
    assert back["NVRAM"] == {"EFI-variables": "c2VjcmV0"}
    assert len(back["VTPMs"]) == 1  # type: ignore[arg-type]
    assert macs(site, "back") == before
    expect_no_marks(site)
    names_of = {vdi["uuid"]: vdi["name_label"] for vdi in vdis.values()}
    assert [names_of[told[position]] for position in sorted(told)] == ["root", "empty", "data"]


def test_as_many_disks_as_a_request_can_name_go_to_srs_of_their_own(tmp_path: Path, pool: Simulator) -> None:
    pool.add_sr("fast")
    pool.add_vm("web 01", [DiskSpec(MIB, seed=number + 1) for number in range(MAPPED)])
    world = World(tmp_path, pool)
    back_up(world)
    done = world.cli("restore", "web 01@latest", "--as", "back", "--map-sr", "xvda=fast", "--json")
    assert done.returncode == 0, done.stderr
    expect_same_disks(world, json_of(done)["disks"])  # type: ignore[arg-type]
    expect_no_marks(world)


@pytest.mark.parametrize("more", [*PACKINGS, 'method = "vdi-export"'])
def test_one_disk_comes_back_alone_or_for_a_vm(site: World, more: str) -> None:
    back_up(site, more)
    vms = len(site.pool.records("VM"))
    wanted = "root" if "vdi-export" in more else "data"
    done = site.cli("restore", "web 01@latest", "--disk", wanted)
    assert done.returncode == 0, done.stderr
    (uuid,) = re.findall(r"VDI ([0-9a-f-]{36})", done.stdout)
    assert len(site.pool.records("VM")) == vms
    (vdi,) = [vdi for vdi in site.pool.records("VDI").values() if vdi["uuid"] == uuid]
    assert (vdi["name_label"], vdi["VBDs"]) == (wanted, [])
    position = "0" if "vdi-export" in more else "2"
    (backup,) = site.backups()
    assert backup.manifest.image is not None
    (disk,) = [disk for disk in backup.manifest.image.disks if str(disk.position) == position]
    assert site.pool.same(disk.uuid, uuid)
    expect_no_marks(site)
    site.pool.add_vm("host", [], power_state="Halted")
    done = site.cli("restore", "web 01@latest", "--disk", wanted, "--vm", "host", "--start", "--json")
    assert done.returncode == 0, done.stderr
    assert json_of(done)["name"] == "host"
    assert list(json_of(done)["disks"]) == [position]  # type: ignore[call-overload]
    assert site.pool.same(disk.uuid, json_of(done)["disks"][position])  # type: ignore[index]
    assert vm_called(site, "host")["power_state"] == "Running"
    other = site.pool.add_vm("other", [], power_state="Halted")
    told = site.cli("restore", "web 01@latest", "--disk", wanted, "--vm", "other").stdout
    assert re.search(rf"VDI [0-9a-f-]{{36}}, for other \({other}\)$", told, re.MULTILINE), told
    again = site.cli("restore", "web 01@latest", "--disk", wanted, "--vm", "host")
    assert (again.returncode, f"at position {position} already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    "fault",
    [
        lambda path: Cut(path=path, after=1_000_000),
        lambda path: TaskFails(path=path),
        lambda path: TaskGone(path=path),
    ],
)
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/import", ("--map-network", f"{OLD}=LAN")),
        ("/import_raw_vdi", ("--map-network", f"{OLD}=LAN", "--map-sr", "root=fast")),
        ("/import_metadata", ("--map-network", f"{OLD}=LAN", "--map-sr", "root=fast")),
        ("/import_raw_vdi", ("--disk", "root")),
    ],
)
def test_what_fails_leaves_nothing(
    elsewhere: World, path: str, more: tuple[str, ...], fault: Callable[[str], Cut | TaskFails | TaskGone]
) -> None:
    elsewhere.pool.add_sr("fast")
    before = elsewhere.records(), elsewhere.pool.records("network")
    rule = fault(path)
    if path == "/import_metadata" and isinstance(rule, Cut):
        rule = Cut(path=path, after=100)
    elsewhere.pool.faults.add(rule)
    done = elsewhere.cli("restore", "web 01@latest", *more)
    assert done.returncode == 4, done.stdout + done.stderr
    networks = elsewhere.pool.records("network")
    assert (elsewhere.records(), {ref: {**network, "VIFs": []} for ref, network in networks.items()}) == (
        before[0],
        {ref: {**network, "VIFs": []} for ref, network in before[1].items()},
    )
    assert elsewhere.journals() == []


def test_a_network_that_somebody_makes_meanwhile_stays(elsewhere: World) -> None:
    """What an import has made is known by its task: not by names, which anybody may give."""
    fields = {"name_label": OLD, "name_description": "mine", "MTU": "1500", "other_config": {}}
    with stranger(elsewhere) as session:
        make = CallHook(method="VM.set_name_label", run=lambda: session.xenapi.network.create(fields))
        elsewhere.pool.faults.add(make)
        done = elsewhere.cli("restore", "web 01@latest", "--map-network", f"{OLD}=LAN")
    assert done.returncode == 0, done.stderr
    named = [network for network in elsewhere.pool.records("network").values() if network["name_label"] == OLD]
    assert [network["name_description"] for network in named] == ["mine"]


@pytest.mark.parametrize("method", ["VM.add_to_other_config", "VDI.add_to_other_config", "VM.get_all_records"])
def test_a_mark_that_cannot_be_put_on_is_not_left_on_later(site: World, method: str) -> None:
    back_up(site)
    site.cli("restore", "web 01@latest", "--plan")
    before = len(site.pool.records("VM"))
    nth = 2 if method == "VM.get_all_records" else 1  # the plan reads them first
    site.pool.faults.add(CallFails(method=method, nth=nth, code="HOST_STILL_BOOTING"))
    done = site.cli("restore", "web 01@latest", "--as", "back")
    assert done.returncode == 0, done.stderr
    assert len(site.pool.records("VM")) == before + 1
    expect_no_marks(site)


def test_damage_is_found_before_the_first_byte_of_a_single_disk(site: World) -> None:
    back_up(site)
    (image,) = site.target.rglob("image.xva")
    data = bytearray(image.read_bytes())
    data[-MIB] ^= 1  # in the last disk
    image.write_bytes(data)
    before = site.records()
    for more in (("--disk", "root"), ("--map-sr", f"root={site.pool.add_sr('fast')}")):
        done = site.cli("restore", "web 01@latest", *more)
        assert done.returncode == 13, done.stderr
    assert {name: records for name, records in site.records().items() if name != "SR"} == {
        name: records for name, records in before.items() if name != "SR"
    }


def test_contradictions_are_told(site: World) -> None:
    back_up(site)
    for arguments, words in (
        (("--disk", "root", "--as", "x"), "a disk alone has no name"),
        (("--disk", "root", "--start"), "a disk alone cannot be started"),
        (("--disk", "root", "--force"), "no single disks out of it"),
        (("--vm", "web 01"), "has 3 disks"),
        (("--preserve", "--new-mac"), "--preserve keeps what --new-mac would change"),
    ):
        done = site.cli("restore", "web 01@latest", *arguments)
        assert done.returncode == 2, arguments
        assert words in done.stderr


def test_the_examples_of_the_documentation(tmp_path: Path, pool: Simulator) -> None:
    lines = re.findall(r"^\$ vmbackup (restore .*)$", (ROOT / "docs" / "restoring.md").read_text(), re.MULTILINE)
    assert len(lines) == 4
    for name in ("fast", "slow"):
        pool.add_sr(name)
    pool.add_vm("web01", [DiskSpec(3 * MIB, seed=1), DiskSpec(2 * MIB, seed=2)])
    world = World(tmp_path, pool)
    with stranger(world) as session:
        (network,) = session.xenapi.network.get_by_name_label(OLD)
        session.xenapi.network.set_name_label(network, "VLAN 12")
        back_up(world)
        session.xenapi.network.create({"name_label": "LAN", "name_description": "", "MTU": "1500", "other_config": {}})
    for line in lines:
        done = world.cli(*shlex.split(line))
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    expect_no_marks(world)
