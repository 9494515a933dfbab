"""Programs that know nothing of XAPI read the images that the simulator exports, and it reads theirs."""

import json
from pathlib import Path

import pytest
from tests.core.simulator.client import Client
from tests.foreign.tools import run

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
SIZES = [512, MIB, 2 * MIB, 5 * MIB + 512, 64 * MIB + 4096]
# qemu-img takes a VHD's size from its geometry, which cannot express every size; XenServer counts the footer's size.
VHD = "driver=vpc,force_size_calc=current_size,file.driver=file,file.filename={}"


@pytest.fixture
def xapi(sim: Simulator) -> Client:
    return Client(sim, tls=True)


@pytest.fixture
def disks(sim: Simulator, xapi: Client) -> list[dict[str, str]]:
    """Give the records of disks of many sizes, with data and holes."""
    specs = [DiskSpec(size, seed=number + 1, fill=0.4) for number, size in enumerate(SIZES)]
    return xapi.disks(xapi.vm(sim.add_vm("web", specs, power_state="Halted")))


def export(xapi: Client, vdi: str, folder: Path) -> Path:
    task = xapi.task()
    reply = xapi.get("/export_raw_vdi", session_id=xapi.session, task_id=task, vdi=vdi, format="vhd")
    assert xapi.wait(task)["status"] == "success"
    path = folder / f"{vdi.removeprefix('OpaqueRef:')}.vhd"
    path.write_bytes(reply.body)
    return path


def import_back(xapi: Client, image: Path, like: dict[str, str]) -> str:
    members = {name: like[name] for name in ("SR", "virtual_size", "type", "sharable", "read_only", "other_config")}
    vdi = xapi("VDI.create", members)
    task = xapi.task()
    xapi.put("/import_raw_vdi", image.read_bytes(), session_id=xapi.session, task_id=task, vdi=vdi, format="vhd")
    assert xapi.wait(task)["error_info"] == []
    uuid: str = xapi("VDI.get_uuid", vdi)
    return uuid


def compare(vhd: Path, raw: Path) -> None:
    """Fail unless qemu-img sees the same content in both (`-s` would ask for the same holes, too)."""
    options = f"driver=raw,file.driver=file,file.filename={raw}"
    run("qemu-img", "compare", "--image-opts", VHD.format(vhd), options)


def test_qemu_reads_every_vhd_as_the_disk_that_it_is(
    sim: Simulator, xapi: Client, disks: list[dict[str, str]], tmp_path: Path
) -> None:
    for disk in disks:
        image = export(xapi, disk["ref"], tmp_path)
        told = json.loads(run("qemu-img", "info", "--output=json", "--image-opts", VHD.format(image)))
        assert (told["format"], told["virtual-size"]) == ("vpc", int(disk["virtual_size"]))
        compare(image, sim.disk_path(disk["uuid"]))


def test_what_is_imported_back_is_exported_the_same(
    sim: Simulator, xapi: Client, disks: list[dict[str, str]], tmp_path: Path
) -> None:
    for disk in disks:
        uuid = import_back(xapi, export(xapi, disk["ref"], tmp_path), disk)
        again = export(xapi, xapi("VDI.get_by_uuid", uuid), tmp_path)
        compare(again, sim.disk_path(disk["uuid"]))
        compare(again, sim.disk_path(uuid))


def test_a_vhd_that_qemu_makes_is_imported(
    sim: Simulator, xapi: Client, disks: list[dict[str, str]], tmp_path: Path
) -> None:
    for disk in disks:
        made = tmp_path / "made.vhd"
        source = sim.disk_path(disk["uuid"])
        run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on", source, made)
        assert sim.digest(import_back(xapi, made, disk)) == sim.digest(disk["uuid"])


def test_qemu_finds_no_fault_in_what_it_makes_of_an_image(
    xapi: Client, disks: list[dict[str, str]], tmp_path: Path
) -> None:
    for disk in disks:
        image, copy = export(xapi, disk["ref"], tmp_path), tmp_path / "copy.qcow2"
        run("qemu-img", "convert", "--image-opts", VHD.format(image), "-O", "qcow2", copy)
        assert "No errors were found" in run("qemu-img", "check", copy)


@pytest.mark.parametrize("compression", ["", "true", "zstd"])
@pytest.mark.parametrize("tar", ["tar", "bsdtar"])
def test_tar_lists_and_unpacks_an_image(
    xapi: Client, disks: list[dict[str, str]], tmp_path: Path, tar: str, compression: str
) -> None:
    vm = xapi("VBD.get_VM", xapi("VDI.get_VBDs", disks[0]["ref"])[0])
    reply, task = xapi.export(vm, use_compression=compression)
    assert task["status"] == "success"
    image, unpacked = tmp_path / "image.xva", tmp_path / "unpacked"
    image.write_bytes(reply.body)
    unpacked.mkdir()
    packed = {"": (), "true": ("--gzip",), "zstd": ("--zstd",)}[compression]
    names = run(tar, *packed, "-tf", image).splitlines()
    assert names[0] == "ova.xml"
    folders = {name.partition("/")[0] for name in names[1:]}
    assert len(folders) == len(disks)
    assert {name.partition(".")[0] + ".xxhash" for name in names[1:]} <= set(names)
    run(tar, *packed, "-xf", image, "-C", unpacked)
    assert sorted(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()) == sorted(
        names
    )
