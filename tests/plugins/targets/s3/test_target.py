"""The promises of a target, kept on moto, as AWS keeps a bucket with versions, and on Ceph, in one without."""

from collections.abc import Iterator

import pytest
from tests.plugins.targets.s3.ceph import Gateway
from tests.plugins.targets.s3.conftest import new_bucket, settings
from tests.plugins.targets.s3.moto_server import Moto

from vmbackup.testing import TargetContract
from vmbackup_targets.s3.target import S3


class TestOnMoto(TargetContract):
    @pytest.fixture
    def place(self, moto: Moto) -> tuple[str, str]:
        return moto.endpoint, new_bucket(moto.endpoint, versions=True)

    @pytest.fixture
    def target(self, place: tuple[str, str]) -> Iterator[S3]:
        with S3("cloud", settings(*place)) as target:
            yield target

    # Nobody knows how much room a bucket has, and it has nothing but the identity file, which is the core's.
    test_stays_usable_when_full = None  # type: ignore[assignment]
    test_refuses_to_be_another = None  # type: ignore[assignment]


class TestOnCeph(TestOnMoto):
    @pytest.fixture
    def place(self, gateway: Gateway) -> tuple[str, str]:
        return gateway.endpoint, new_bucket(gateway.endpoint)
