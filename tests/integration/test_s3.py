"""Backups to Debian's Ceph, which is killed in the middle of one, and which locks what is stored."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.world import MIB, World, job
from tests.plugins.targets.s3 import ceph
from tests.plugins.targets.s3.ceph import Gateway, own_gateway
from tests.plugins.targets.s3.conftest import client, new_bucket
from tests.plugins.targets.s3.moto_server import ACCESS_KEY, SECRET_KEY
from tests.plugins.targets.s3.way import Request, Way, leading_to

from vmbackup.conformance import PROMISES
from vmbackup.manifest import MANIFEST
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway that all workers share."""
    with ceph.shared(ceph.common(tmp_path_factory)) as gateway:
        yield gateway


@pytest.fixture
def own(gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that may be killed."""
    with own_gateway(gateway.folder) as own:
        yield own


@pytest.fixture
def way(own: Gateway) -> Iterator[Way]:
    with leading_to(own.port) as way:
        yield way


@pytest.fixture
def world(tmp_path: Path, pool: Simulator) -> World:
    pool.add_vm("web 01", [DiskSpec(5 * MIB, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)])
    pool.add_vm("web 02", [DiskSpec(11 * MIB, seed=3)])
    for name, secret in (("s3.access", ACCESS_KEY), ("s3.secret", SECRET_KEY)):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    return World(tmp_path, pool)


def configure(world: World, endpoint: str, bucket: str, more: str = "", *, keep: int = 2) -> None:
    """Have the world's target be a bucket, with parts as small as they may be."""
    section = (
        f'type = "s3"\nendpoint = "{endpoint}"\nbucket = "{bucket}"\nprefix = "xen"\npart-size = 5\ntimeout = 20\n'
        f'access-key = {{ file = "{world.folder}/s3.access" }}\nsecret-key = {{ file = "{world.folder}/s3.secret" }}'
    )
    head = world.head.replace(f'path = "{world.target}"', more).replace('type = "local"', section)
    world.configure(job("web*", keep=keep), head=head)


def keys(endpoint: str, bucket: str) -> list[str]:
    """The key of every version of an object, and of every marker and unfinished upload, without the records of runs."""
    other = client(endpoint)
    versions = other.list_object_versions(Bucket=bucket)
    found = [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]
    found += other.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    other.close()
    assert not versions["IsTruncated"]
    return sorted(one["Key"] for one in found if not one["Key"].startswith("xen/runs/"))


def expect_whole_backups_alone(world: World, count: int, found: list[str]) -> None:
    backups = world.backups()
    assert len(backups) == count
    whole = {"vmbackup-target.json"}
    for backup in backups:
        whole |= {f"{backup.folder}/{file.name}" for file in backup.manifest.files}
        whole |= {f"{backup.folder}/begun.json", f"{backup.folder}/{MANIFEST}"}
    assert found == sorted(f"xen/{key}" for key in whole)
    assert all(verdict.good for verdict in world.verify_all())


def test_a_backup_goes_to_the_bucket_and_comes_back(world: World, gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint)
    configure(world, gateway.endpoint, bucket, keep=1)
    world.init_target()
    assert exit_code(world.run()) == 0
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    expect_whole_backups_alone(world, 2, keys(gateway.endpoint, bucket))
    restored = world.cli("restore", "web 01@latest", "--as", "back", "--new-mac", "--start")
    assert restored.returncode == 0, restored.stderr
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == "back"]
    assert vm["power_state"] == "Running"


def test_the_example_runs_with_the_addresses_of_a_test(world: World, gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint, lock=True)
    world.pool.add_vm("PROD-web", [DiskSpec(2 * MIB, seed=4)])
    trusted = f'username = "{world.pool.username}"\ntls = {{ fingerprint = "{world.pool.fingerprint}" }}'
    addresses = {
        "/etc/vmbackup/s3.access": str(world.folder / "s3.access"),
        "/etc/vmbackup/s3.secret": str(world.folder / "s3.secret"),
        "/etc/vmbackup/pool.password": str(world.folder / "pool.password"),
        'username = "vmbackup"': trusted,
        "https://xen1.example.edu": world.pool.url,
        "https://s3.example.edu": gateway.endpoint,
        'bucket = "vm-backups"': f'bucket = "{bucket}"',
    }
    text = (ROOT / "examples" / "s3.toml").read_text()
    for old, new in addresses.items():
        assert old in text
        text = text.replace(old, new)
    world.config.write_text(f'state = "{world.folder}/other-state"\n{text}')
    world.config.chmod(0o600)
    done = world.cli("target", "init", "cloud")
    assert done.returncode == 0, done.stderr
    (identity,) = re.findall(r'id = "[0-9a-f-]+"', done.stdout)
    world.config.write_text(world.config.read_text().replace('type = "s3"', f'type = "s3"\n{identity}'))
    assert world.cli("run", "weekend").returncode == 0
    assert any(key.startswith("xen/weekly/") and key.endswith("/image.xva") for key in keys(gateway.endpoint, bucket))


def test_a_gateway_that_is_killed_in_mid_write_fails_the_run_and_the_next_one_cleans_up(
    world: World, own: Gateway, way: Way
) -> None:
    bucket = new_bucket(own.endpoint)
    configure(world, way.endpoint, bucket)
    world.init_target()
    assert exit_code(world.run()) == 0
    before = world.records()

    def kill(request: Request) -> Request | None:
        if "partNumber=2" not in request.path:
            return request
        own.kill()
        return None

    way.on_request = kill
    report = world.run()
    assert exit_code(report) == 4
    failures = [outcome.failure for result in report.results for outcome in result.outcomes]
    assert {failure.code for failure in failures if failure} == {"TargetLost"}
    assert any("image.xva" in failure.message for failure in failures if failure)
    assert world.records() == before, "the pool is cleaned up whatever becomes of the target"
    way.on_request = lambda request: request
    own.start()
    assert len(world.backups()) == 2
    uploads = [key for key in keys(own.endpoint, bucket) if key.endswith("image.xva")]
    assert len(uploads) == 3, "an upload is left unfinished"
    report = world.run()
    assert exit_code(report) == 0
    assert report.all_warnings == ()
    expect_whole_backups_alone(world, 2 * 2, keys(own.endpoint, bucket))


def test_a_whole_job_under_a_lock_overwrites_and_loses_nothing(world: World, gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint, lock=True)
    configure(world, gateway.endpoint, bucket, 'retain = "30 days"', keep=1)
    world.init_target()
    assert exit_code(world.run()) == 0
    report = world.run()
    assert exit_code(report) == 0
    date = rf"its \S+ is locked until {datetime.now(UTC) + timedelta(days=30):%Y-%m-%d} \d\d:\d\d:\d\d UTC"
    assert len(report.removals) == 2
    for removal in report.removals:
        assert removal.failure is not None
        assert re.search(date, removal.failure.message)
        assert "A run after that date" in removal.failure.advice
    found = keys(gateway.endpoint, bucket)
    assert len(set(found)) == len(found), "an object has two versions"
    # Those that should have gone are whole.
    expect_whole_backups_alone(world, 2 * 2, found)
    assert all(until - datetime.now(UTC) > timedelta(days=29) for until in _locks(gateway.endpoint, bucket))
    checked = world.cli("check", "--size", "1")
    assert checked.returncode == 4
    assert "it locks what is stored" in checked.stdout + checked.stderr
    assert len(keys(gateway.endpoint, bucket)) == len(found) + 1


def _locks(endpoint: str, bucket: str) -> Iterator[Any]:
    other = client(endpoint)
    for key in {one["Key"] for one in other.list_objects_v2(Bucket=bucket)["Contents"]}:
        yield other.head_object(Bucket=bucket, Key=key)["ObjectLockRetainUntilDate"]
    other.close()


def test_a_wrong_key_is_told_before_the_pool_is_touched(world: World, gateway: Gateway) -> None:
    configure(world, gateway.endpoint, new_bucket(gateway.endpoint))
    (world.folder / "s3.secret").write_text("canary-wrong")
    before = world.records()
    done = world.cli("run", "test")
    assert done.returncode == 4, done.stdout
    assert "SignatureDoesNotMatch" in done.stdout + done.stderr
    assert "Check access-key and secret-key" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert world.records() == before


def test_a_bucket_keeps_every_promise_and_is_left_as_it_was(world: World, gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint)
    configure(world, gateway.endpoint, bucket)
    world.init_target()
    before = keys(gateway.endpoint, bucket)
    done = world.cli("check", "--size", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("disk ok: ") == len(PROMISES)
    assert keys(gateway.endpoint, bucket) == before == ["xen/vmbackup-target.json"]
