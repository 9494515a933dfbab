import gc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session
from tests.plugins.targets.s3 import ceph, moto_server
from tests.plugins.targets.s3.moto_server import ACCESS_KEY, SECRET_KEY, Moto

from vmbackup_targets.s3.settings import S3Settings
from vmbackup_targets.s3.target import S3


def client(endpoint: str, verify: str | None = None) -> Any:
    """Somebody else's way to the server."""
    return Session().create_client(
        "s3",
        endpoint_url=endpoint,
        verify=verify,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )


def settings(endpoint: str, bucket: str, /, **more: object) -> S3Settings:
    """The settings of a target on a server, with parts as small as they may be."""
    usual = {"endpoint": endpoint, "bucket": bucket, "access-key": ACCESS_KEY, "secret-key": SECRET_KEY}
    return S3Settings.model_validate({**usual, "prefix": "xen/weekly", "part-size": 5, "timeout": 20, **more})


def new_bucket(endpoint: str, *, versions: bool = False, lock: bool = False, verify: str | None = None) -> str:
    """Make a bucket and return its name."""
    name = f"backups-{uuid.uuid4().hex[:12]}"
    maker = client(endpoint, verify)
    maker.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
    if versions:
        maker.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    maker.close()
    return name


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server.running(Moto(tmp_path_factory.mktemp("moto") / "log")) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ceph.Gateway]:
    """The gateway that all workers share."""
    with ceph.shared(ceph.common(tmp_path_factory)) as gateway:
        yield gateway


@pytest.fixture
def bucket(moto: Moto) -> str:
    """A new bucket of moto."""
    return new_bucket(moto.endpoint)


@pytest.fixture
def target(moto: Moto, bucket: str) -> Iterator[S3]:
    with S3("cloud", settings(moto.endpoint, bucket)) as entered:
        yield entered


@pytest.fixture
def stranger() -> Iterator[Callable[[str], Any]]:
    """Others' clients, by the endpoint."""
    made: list[Any] = []

    def of(endpoint: str) -> Any:
        made.append(client(endpoint))
        return made[-1]

    yield of
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _no_descriptor_stays_open() -> Iterator[None]:
    """As for every target; but urllib3's errors refer to their connections, and to themselves, until they are found."""
    gc.collect()
    before = set(Path("/proc/self/fd").iterdir())
    yield
    gc.collect()
    assert set(Path("/proc/self/fd").iterdir()) <= before
