import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.profiles import PROFILES
from vmbackup.simulator.schema import MODEL

MIB = 1 << 20
NAMES = ("xs65", "xs71", "ch81", "xcpng82", "xcpng83", "xs8")
NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=NAMES)
def profile(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture
def sim(tmp_path: Path, profile: str) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, profile=profile) as running:
        yield running


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(3 * MIB, seed=1, fill=1.0)], power_state="Halted"))


def since(profile: str, first: str) -> bool:
    return NAMES.index(profile) >= NAMES.index(first)


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def test_every_product_is_there() -> None:
    assert tuple(PROFILES) == NAMES


def test_a_host_tells_its_versions(xapi: Client, profile: str) -> None:
    (record,) = xapi("host.get_all_records").values()
    api = (int(record["API_version_major"]), int(record["API_version_minor"]), record["API_version_vendor"])
    software = record["software_version"]
    assert (*api[:2], software["product_brand"], software["product_version"][:3], software["xapi"]) == {
        "xs65": (2, 3, "XenServer", "6.5", "1.3"),
        "xs71": (2, 6, "XenServer", "7.1", "1.9"),
        "ch81": (2, 14, "Citrix Hypervisor", "8.1", "1.20"),
        "xcpng82": (2, 15, "XCP-ng", "8.2", "1.20"),
        "xcpng83": (2, 21, "XCP-ng", "8.3", "24.19"),
        "xs8": (2, 21, "XenServer", "8.4", "26.1"),
    }[profile]
    assert api[2] == "XenSource"
    assert ("xapi_build" in software) == since(profile, "xcpng83")
    assert (software["hostname"], software["platform_name"]) == ("localhost", "XCP")


def test_an_archive_has_the_checksums_of_its_time(xapi: Client, vm: str, profile: str) -> None:
    reply, task = xapi.export(vm)
    assert task["status"] == "success"
    archive = read_archive(reply.body)
    suffix = ".xxhash" if since(profile, "ch81") else ".checksum"
    assert sum(name.endswith(suffix) for name in archive.names) == 3
    assert len(archive.names) == 1 + 2 * 3


@pytest.mark.parametrize("wanted", ["true", "gzip", "zstd", "false"])
def test_a_compression_that_is_not_known_is_none(xapi: Client, vm: str, profile: str, wanted: str) -> None:
    body = xapi.export(vm, use_compression=wanted)[0].body
    known = {"true": b"\x1f\x8b"} | (
        {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"} if since(profile, "ch81") else {}
    )
    assert body.startswith(known.get(wanted, b"ova.xml\0"))
    if wanted == "true":
        assert gzip.decompress(body).endswith(bytes(1024))


def test_a_snapshot_takes_the_disks_to_ignore_since_21_4(xapi: Client, vm: str, profile: str) -> None:
    assert xapi("VM.snapshot", vm, "s")
    none: list[str] = []
    if since(profile, "xcpng83"):
        assert xapi("VM.snapshot", vm, "s", none)
    else:
        details = refused(xapi, "VM.snapshot", vm, "s", none)
        assert details == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.snapshot", "2", "3"]


def test_a_field_is_there_from_its_release_on(xapi: Client, vm: str, profile: str) -> None:
    assert xapi("VM.get_record", vm)["tags"] == []
    for name, first in {
        "VM.has_vendor_device": "xs71",
        "VM.requires_reboot": "xs71",
        "VM.is_default_template": "ch81",
        "VDI.cbt_enabled": "ch81",
        "VM.NVRAM": "ch81",
        "network.purpose": "ch81",
        "host.certificates": "xcpng82",
        "VM.VTPMs": "xcpng83",
        "host.https_only": "xcpng83",
    }.items():
        cls, _, field = name.partition(".")
        records = xapi(f"{cls}.get_all_records")
        ref = next(iter(records))
        getter = f"{cls}.get_{field}"
        assert {field in record for record in records.values()} == {since(profile, first)}
        assert (field in xapi(f"{cls}.get_record", ref)) == since(profile, first)
        if since(profile, first):
            assert xapi(getter, ref) == records[ref][field]
        else:
            assert refused(xapi, getter, ref) == ["MESSAGE_METHOD_UNKNOWN", getter]


def test_a_call_is_known_from_its_release_on(xapi: Client, profile: str) -> None:
    listed = xapi.rpc(b"<methodCall><methodName>system.listMethods</methodName></methodCall>").body
    assert b"<value>VM.get_all</value>" in listed
    for call, first in {
        "task.set_status": "ch81",
        "task.set_progress": "xcpng82",
        "task.set_result": "xcpng83",
        "Certificate.get_record": "xcpng82",
        "VTPM.get_record": "xcpng83",
        "network.add_purpose": "ch81",
    }.items():
        assert (f"<value>{call}</value>".encode() in listed) == since(profile, first)
        code = refused(xapi, call)[0]
        assert code == ("MESSAGE_PARAMETER_COUNT_MISMATCH" if since(profile, first) else "MESSAGE_METHOD_UNKNOWN")
        assert refused(xapi, call.replace(".", "_", 1))[0] == code


def test_operations_and_archives_speak_of_what_is_known_only(xapi: Client, vm: str, profile: str) -> None:
    allowed = xapi("VM.get_allowed_operations", vm)
    assert ("changing_NVRAM" in allowed, "create_vtpm" in allowed) == (
        since(profile, "ch81"),
        since(profile, "xcpng83"),
    )
    assert allowed == xapi("VM.get_record", vm)["allowed_operations"]
    record = read_archive(xapi.export(vm)[0].body).one("VM")
    assert set(record) == set(xapi("VM.get_record", vm))
    assert (len(record) == len(MODEL.classes["VM"])) == since(profile, "xcpng83")


def test_events_tell_of_what_is_known_only(xapi: Client, vm: str, profile: str) -> None:
    told = xapi("event.from", ["*"], "", 5.0)
    (record,) = [event["snapshot"] for event in told["events"] if event["ref"] == vm]
    assert record == xapi("VM.get_record", vm)
    assert ("vtpm" in told["valid_ref_counts"]) == since(profile, "xcpng83")


def test_the_tar_of_a_disk_came_with_8_0(xapi: Client, vm: str, profile: str) -> None:
    (disk,) = xapi.disks(vm)
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task, "vdi": disk["ref"], "format": "tar"}
    reply = xapi.get("/export_raw_vdi", **query)
    if not since(profile, "ch81"):
        assert reply.status == "HTTP/1.0 404 Not Found"
        assert xapi.wait(task)["error_info"] == ["INTERNAL_ERROR", "Unknown format tar"]
        return
    assert (reply.status, reply.headers["content-type"]) == ("HTTP/1.1 200 OK", "application/x-tar")
    assert xapi.wait(task)["status"] == "success"
    with tarfile.open(fileobj=io.BytesIO(reply.body), mode="r:") as tar:
        numbered = [f"vdi/{number:08d}" for number in range(3)]
        assert tar.getnames() == [name + suffix for name in numbered for suffix in ("", ".xxhash")]


def test_long_heads_are_refused_since_8_2(xapi: Client, profile: str) -> None:
    reply = xapi.get("/nothing", headers=f"Cookie: {'x' * 5000}\r\n")
    assert reply.status.split()[1] == ("431" if since(profile, "xcpng82") else "404")


def test_the_server_names_its_toolstack(sim: Simulator, xapi: Client, vm: str, profile: str) -> None:
    reply = xapi.get("/export", session_id=xapi.session, ref=vm)
    assert reply.headers["server"] == f"xapi/{PROFILES[profile].software['xapi']}"


def test_an_archive_of_an_older_product_can_be_imported_by_a_newer_one_only(
    tmp_path: Path, xapi: Client, vm: str, profile: str
) -> None:
    image = xapi.export(vm)[0].body
    with Simulator(tmp_path / "other", tls=False, profile="xcpng82") as sim:
        other = Client(sim)
        task = other.task()
        other.put("/import", image, session_id=other.session, task_id=task)
        record = other.wait(task)
        if since(profile, "xcpng83"):
            assert record["error_info"] == ["IMPORT_INCOMPATIBLE_VERSION"]
        else:
            assert record["status"] == "success", record
            (made,) = other("VM.get_by_name_label", "a")
            assert sim.digest(other.disks(made)[0]["uuid"]) != ""


def test_a_pool_that_is_updated_says_so(tmp_path: Path) -> None:
    with Simulator(tmp_path / "kept", tls=False, profile="xcpng82"):
        pass
    with Simulator(tmp_path / "kept", tls=False, profile="xs8") as sim:
        (record,) = Client(sim)("host.get_all_records").values()
        assert record["software_version"]["xapi"] == "26.1"
