"""The promises of a target, kept on Ceph, and on moto in a bucket with versions, as AWS has them."""

from collections.abc import Iterator

import pytest
from tests.plugins.targets.s3.ceph import Gateway
from tests.plugins.targets.s3.conftest import new_bucket, settings
from tests.plugins.targets.s3.moto_server import Moto

from vmbackup.conformance import PROMISES, Promise, finds_what_a_dead_writer_left, hold, lets_one_writer_win
from vmbackup.testing import TargetContract
from vmbackup_targets.s3.target import S3


class TestOnCeph(TargetContract):
    @pytest.fixture
    def target(self, gateway: Gateway) -> Iterator[S3]:
        with S3("cloud", settings(gateway.endpoint, new_bucket(gateway.endpoint))) as target:
            yield target

    # Nobody knows how much room a bucket has, and it has nothing but the identity file, which is the core's.
    test_stays_usable_when_full = None  # type: ignore[assignment]
    test_refuses_to_be_another = None  # type: ignore[assignment]


# moto looks whether a key is taken and stores in two steps, and has begun every upload in 2010.
NOT_MOTOS = (lets_one_writer_win, finds_what_a_dead_writer_left)


@pytest.mark.parametrize("promise", [one for one in PROMISES if one not in NOT_MOTOS], ids=lambda one: one.__name__)
def test_a_bucket_with_versions_keeps_the_promise(moto: Moto, promise: Promise) -> None:
    with S3("cloud", settings(moto.endpoint, new_bucket(moto.endpoint, versions=True))) as target:
        hold(target, promise)
        assert list(target.leftovers()) == []
