"""Variants of the target that do what one may easily write, and the promise by which each is found out."""

from collections.abc import Iterable
from types import TracebackType

import pytest
from tests.plugins.targets.s3.conftest import settings
from tests.plugins.targets.s3.moto_server import Moto

from vmbackup import Buffer, Stored
from vmbackup.conformance import (
    Promise,
    PromiseBroken,
    hold,
    leaves_nothing_of_a_failed_source,
    lets_one_writer_win,
    refuses_a_second_store,
)
from vmbackup_targets.s3.sending import Sending
from vmbackup_targets.s3.target import S3


class Leaving(Sending):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._upload = None
        super().__exit__(kind, error, trace)


class AbortsNothing(S3):
    """Takes an upload that was begun for something that goes by itself."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        with Leaving(self._entered(), self._whole(key)) as sending:
            for chunk in chunks:
                sending.write(chunk)
            return Stored(key, sending.publish())


class Putting(S3):
    """Stores with the one request that S3 is known for."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        bucket = self._entered()
        body = b"".join(bytes(chunk) for chunk in chunks)
        bucket.client.put_object(Bucket=bucket.name, Key=self._whole(key), Body=body)
        return Stored(key, len(body))


class LooksBefore(Putting):
    """Has looked whether the key is taken, and believes it."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if self.stat(key) is not None:
            return S3.store(self, key, chunks)
        return super().store(key, chunks)


@pytest.mark.parametrize(
    ("variant", "promise"),
    [
        (AbortsNothing, leaves_nothing_of_a_failed_source),
        (Putting, refuses_a_second_store),
        (LooksBefore, lets_one_writer_win),
    ],
)
def test_a_variant_is_found_out(variant: type[S3], promise: Promise, moto: Moto, bucket: str) -> None:
    with variant("cloud", settings(moto.endpoint, bucket)) as target, pytest.raises(PromiseBroken):
        hold(target, promise)
