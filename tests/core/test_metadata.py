import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import disk, manifest, stored, vm

from vmbackup.keys import check_key
from vmbackup.manifest import Manifest, is_ours
from vmbackup.metadata import files_for_people, guide, one_line, sums
from vmbackup.models import VIF


def vif(device: str = "0") -> VIF:
    return VIF(
        uuid="1f000000-0000-4000-8000-000000000001",
        device=device,
        network="Pool-wide network",
        mac="aa:bb:cc:dd:ee:ff",
        mtu=1500,
        other_config={"ethtool-gso": "off"},
    )


def fields(data: bytes) -> dict[str, str]:
    """A `key=value` file as a simple reader reads it."""
    return dict(line.split("=", 1) for line in data.decode().splitlines())


def text(made: Manifest, unpack: str = "") -> str:
    return guide(made, unpack).decode()


def test_a_vm_s_own_file() -> None:
    assert fields(files_for_people(vm("web"), [])["vm.cfg"]) == {
        "name_label": "web",
        "name_description": "",
        "memory_dynamic_max": str(2 << 30),
        "VCPUs_max": "2",
        "VCPUs_at_startup": "1",
        "os_version": "",
        "orig_uuid": vm("web").uuid,
    }


def test_a_disk_s_files() -> None:
    one = disk(1, "xvdb", 5 << 30, "data")
    files = files_for_people(vm("web"), [one])
    assert set(files) == {"vm.cfg", "DISK-xvdb/vbd.cfg", "DISK-xvdb/vdi.cfg"}
    assert fields(files["DISK-xvdb/vbd.cfg"]) == {
        "userdevice": "1",
        "bootable": "False",
        "mode": "RW",
        "type": "Disk",
        "unpluggable": "True",
        "empty": "False",
        "orig_uuid": one.vbd_uuid,
    }
    assert fields(files["DISK-xvdb/vdi.cfg"]) == {
        "name_label": "data",
        "name_description": "",
        "virtual_size": str(5 << 30),
        "type": "user",
        "sharable": "False",
        "read_only": "False",
        "orig_uuid": one.uuid,
        "orig_sr_uuid": one.sr.uuid,
    }


def test_a_network_interface_s_file() -> None:
    files = files_for_people(vm("web", vifs=[vif()]), [])
    assert fields(files["VIFs/vif-0.cfg"]) == {
        "device": "0",
        "network_name_label": "Pool-wide network",
        "MTU": "1500",
        "MAC": "aa:bb:cc:dd:ee:ff",
        "other_config": "{'ethtool-gso': 'off'}",
        "orig_uuid": vif().uuid,
    }


def test_disks_that_have_no_device_name_yet_are_told_apart_by_position() -> None:
    files = files_for_people(vm("web"), [disk(0, ""), disk(3, "")])
    assert {"DISK-0/vdi.cfg", "DISK-3/vdi.cfg"} < set(files)


@given(st.text(), st.text(max_size=8), st.text(max_size=8))
def test_whatever_a_vm_is_called_its_files_are_keys_of_ours_and_hold_one_field_a_line(
    name: str, device: str, interface: str
) -> None:
    of = vm(name, uuid="11111111-0000-4000-8000-000000000000", vifs=[vif(interface)])
    files = files_for_people(of, [disk(2, device, name=name)])
    for key, data in files.items():
        assert check_key(key) == key
        assert is_ours(key)
        assert data.endswith(b"\n")
        assert all(b"=" in line for line in data[:-1].split(b"\n"))
        assert b"\r" not in data


@given(st.text())
def test_a_name_can_be_read_back(name: str) -> None:
    data = files_for_people(vm(name, uuid="1"), [])["vm.cfg"].decode()
    line = data.split("\n", 1)[0].removeprefix("name_label=")
    back, rest = "", iter(line)
    for character in rest:
        back += {"n": "\n", "r": "\r", "\\": "\\"}[next(rest)] if character == "\\" else character
    assert back == name


def test_the_sums_are_what_sha256sum_takes(tmp_path: Path) -> None:
    contents = {"image.xva": b"whole", "DISK-xvda/vdi.cfg": b"a=b\n"}
    for name, data in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "SHA256SUMS").write_bytes(sums(stored(name, data) for name, data in contents.items()))
    check = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "image.xva: OK\nDISK-xvda/vdi.cfg: OK\n"
    (tmp_path / "image.xva").write_bytes(b"wholf")
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode == 1


def test_the_sums_are_of_what_lies_there() -> None:
    packed = stored("image.xva.zst", b"packed").model_copy(update={"content_digest": f"sha256:{'0' * 64}"})
    assert sums([packed]).decode() == f"{hashlib.sha256(b'packed').hexdigest()}  image.xva.zst\n"


def test_how_a_whole_vm_comes_back() -> None:
    lines = text(manifest(files=[stored("image.xva", b"x")])).splitlines()
    assert "    sha256sum -c SHA256SUMS" in lines
    assert "    xe vm-import filename=image.xva sr-uuid=<SR>" in lines
    assert "    xe vm-import filename=image.xva sr-uuid=<SR> preserve=true" in lines
    assert not any("zstd" in line for line in lines)


@pytest.mark.parametrize("unpack", ["zstd -dc --long=31", ""])
def test_a_vm_in_zstd_names_the_hosts_that_take_it_and_what_to_do_for_the_others(unpack: str) -> None:
    said = text(manifest(files=[stored("image.xva.zst", b"x")]), unpack)
    lines = said.splitlines()
    assert "from Citrix Hypervisor 8.1 and XCP-ng 8.1 on" in said
    unpacked = lines.index(f"    {unpack or 'zstd -dc'} image.xva.zst > image.xva")
    assert unpacked < lines.index("    xe vm-import filename=image.xva.zst sr-uuid=<SR>")


@pytest.mark.parametrize("unpack", ["gzip -dc", ""])
def test_a_vm_in_gzip_is_taken_by_every_host(unpack: str) -> None:
    lines = text(manifest(files=[stored("image.xva.gz", b"x")]), unpack).splitlines()
    assert "Every host unpacks gzip itself." in lines
    assert "    xe vm-import filename=image.xva.gz sr-uuid=<SR>" in lines
    assert "    xe vm-import filename=image.xva.gz sr-uuid=<SR> preserve=true" in lines


def test_a_vm_in_a_format_that_no_host_knows_is_unpacked_first() -> None:
    lines = text(manifest(files=[stored("image.xva.lz4", b"x")]), "lz4 -dc").splitlines()
    unpacked = lines.index("    lz4 -dc image.xva.lz4 > image.xva")
    assert unpacked < lines.index("    xe vm-import filename=image.xva sr-uuid=<SR>")
    assert not any("filename=image.xva.lz4" in line for line in lines)


def test_how_a_disk_comes_back() -> None:
    made = manifest(method="vdi-export", image_format="vhd", files=[stored("disk-0.vhd", b"x")])
    lines = text(made).splitlines()
    assert any("xe vdi-create" in line and line.endswith(f"virtual-size={8 << 20}") for line in lines)
    assert "    xe vdi-import uuid=<UUID that was printed> filename=disk-0.vhd format=vhd" in lines
    assert any("xe vbd-create" in line and " device=0 " in line for line in lines)


@pytest.mark.parametrize(("suffix", "unpack"), [(".zst", "zstd -dc"), (".gz", "gzip -dc"), (".tar.7z", "mine")])
def test_a_compressed_disk_is_unpacked_before_it_is_imported(suffix: str, unpack: str) -> None:
    lines = text(manifest(image_format="raw", files=[stored(f"disk-0.raw{suffix}", b"x")]), unpack).splitlines()
    unpacked = lines.index(f"    {unpack} disk-0.raw{suffix} > disk-0.raw")
    imported = lines.index("    xe vdi-import uuid=<UUID that was printed> filename=disk-0.raw format=raw")
    assert unpacked < imported


@given(st.text())
def test_no_name_breaks_the_guide_or_speaks_to_the_terminal(name: str) -> None:
    plain = text(manifest(name="web", files=[stored("image.xva", b"x")]))
    odd = text(manifest(name=name, files=[stored("image.xva", b"x")]))
    assert odd.count("\n") == plain.count("\n")
    assert all(character.isprintable() or character == "\n" for character in odd)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("web", "web"), ("a\nb\tc", "a?b?c"), ("\x1b[31m", "?[31m"), ("\u202egnp", "?gnp"), ("Müller 🦆", "Müller 🦆")],
)
def test_a_name_on_one_line(name: str, shown: str) -> None:
    assert one_line(name) == shown
