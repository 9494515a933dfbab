"""Object lock on Ceph, which passes over a lock that is asked for when an upload is begun."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.plugins.targets.s3.ceph import Gateway
from tests.plugins.targets.s3.conftest import client, new_bucket, settings
from tests.plugins.targets.s3.way import Reply, Way, leading_to

from vmbackup import TargetError
from vmbackup_targets.s3.target import S3

MIB = 1 << 20
FILES = {"pool/small": [b"x"], "pool/image.xva": [bytes(MIB)] * 11}


@pytest.fixture
def other(gateway: Gateway) -> Iterator[Any]:
    """Somebody with all of our rights."""
    other = client(gateway.endpoint)
    yield other
    other.close()


@pytest.fixture
def way(gateway: Gateway) -> Iterator[Way]:
    with leading_to(gateway.port) as way:
        yield way


@pytest.mark.parametrize("mode", ["compliance", "governance"])
def test_what_is_stored_is_locked_whole_until_its_date_and_goes_after_it(
    gateway: Gateway, mode: str, other: Any
) -> None:
    bucket = new_bucket(gateway.endpoint, lock=True)
    begun = datetime.now(UTC)
    with S3("cloud", settings(gateway.endpoint, bucket, retain="6 seconds", **{"retain-mode": mode})) as target:
        for key, chunks in FILES.items():
            target.store(key, chunks)
            found = other.head_object(Bucket=bucket, Key=f"xen/weekly/{key}")
            until = target.locked_until(key)
            assert found["ObjectLockMode"] == mode.upper()
            assert found["ObjectLockRetainUntilDate"] == until
            assert until is not None
            assert until >= begun + timedelta(seconds=6)
            with pytest.raises(
                TargetError, match=f"could not be deleted: .* locked until {until:%Y-%m-%d %H:%M:%S} UTC"
            ) as told:
                target.delete(key)
            assert "after that date" in told.value.advice
            # A simple deletion hides it, and whoever finds it by its version cannot remove it.
            with pytest.raises(other.exceptions.ClientError, match="AccessDenied"):
                other.delete_object(Bucket=bucket, Key=f"xen/weekly/{key}", VersionId=found["VersionId"])
        assert sum(entry.size or 0 for entry in target.entries("pool")) == 11 * MIB + 1
        # The last one was begun a moment ago.
        time.sleep(7)
        for key in FILES:
            assert target.locked_until(key) is None
            target.delete(key)
        assert list(target.entries()) == []
    assert "Versions" not in other.list_object_versions(Bucket=bucket)


def test_a_bucket_that_cannot_lock_is_refused_before_anything_is_stored(gateway: Gateway) -> None:
    target = S3("cloud", settings(gateway.endpoint, new_bucket(gateway.endpoint, versions=True), retain="30 days"))
    with pytest.raises(TargetError, match=r"the bucket could not be opened: `retain` is set") as told, target:
        pass
    assert "Object lock is chosen when a bucket is made" in told.value.advice


def test_a_lock_that_the_server_only_says_it_has_set_is_found_out(way: Way, gateway: Gateway, other: Any) -> None:
    bucket = new_bucket(gateway.endpoint, lock=True)

    way.on_request = lambda request: Reply(200, [], b"") if "?retention" in request.path else request
    with S3("cloud", settings(way.endpoint, bucket, retain="30 days")) as target:
        with pytest.raises(TargetError, match="the server was asked to lock it, and has not"):
            target.store("pool/image.xva", FILES["pool/image.xva"])
        assert list(target.entries()) == []
    assert "Versions" not in other.list_object_versions(Bucket=bucket)


def test_deleting_removes_every_version_of_a_file_and_leaves_no_marker(gateway: Gateway, other: Any) -> None:
    bucket = new_bucket(gateway.endpoint, versions=True)
    with S3("cloud", settings(gateway.endpoint, bucket)) as target:
        target.store("pool/key", [b"ours"])
        other.put_object(Bucket=bucket, Key="xen/weekly/pool/key", Body=b"somebody's")
        other.put_object(Bucket=bucket, Key="xen/weekly/pool/key2", Body=b"another file")
        target.delete("pool/key")
        assert [entry.key for entry in target.entries("pool")] == ["pool/key2"]
    assert [one["Key"] for one in other.list_object_versions(Bucket=bucket)["Versions"]] == ["xen/weekly/pool/key2"]
