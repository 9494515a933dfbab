from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.core.verify.images import REGISTRY, WAYS, make, xva
from typing_extensions import Buffer

from vmbackup.repository import Repository
from vmbackup.verify import verify
from vmbackup.verify.reading import _owned

KIB = 1 << 10


@pytest.mark.parametrize("size", [1, 2 * KIB, 255 * KIB, 256 * KIB, 1024 * KIB])
def test_chunks_in_memory_that_is_used_again_come_whole_through_another_thread(size: int) -> None:
    memory = bytearray(size)

    def reused() -> Iterator[Buffer]:
        for number in range(5):
            memory[:] = bytes([number]) * size
            yield memoryview(memory)

    assert b"".join(bytes(memoryview(chunk)) for chunk in list(_owned(reused()))) == b"".join(
        bytes([number]) * size for number in range(5)
    )


def test_small_chunks_are_put_together_and_large_ones_are_not_copied() -> None:
    large, small = bytes(300 * KIB), b"ab"
    made = list(_owned([small, small, large, *[small] * (200 * KIB), small]))
    assert made[0] == b"abab"
    assert made[1] is large
    assert [len(bytes(memoryview(chunk))) for chunk in made[2:]] == [256 * KIB, 144 * KIB + 2]


def test_stored_bytes_of_another_digest_are_wrong_even_where_the_content_is_the_same(repository: Repository) -> None:
    backup = make(repository, xva(), WAYS["zstd by us"])
    image, *others = backup.manifest.files
    files = (image.model_copy(update={"sha256": "0" * 64}), *others)
    manifest = backup.manifest.model_copy(update={"files": files})
    (wrong,) = verify(replace(backup, manifest=manifest), repository, REGISTRY).wrong
    assert "SHA-256 has changed" in wrong.message


def test_an_image_of_other_blocks_than_those_of_the_manifest_is_wrong(repository: Repository) -> None:
    backup = make(repository, xva())
    image = backup.manifest.image
    assert image is not None
    first, *others = image.disks
    disks = (first.model_copy(update={"blocks_digest": "0" * 16}), *others)
    manifest = backup.manifest.model_copy(update={"image": image.model_copy(update={"disks": disks})})
    (wrong,) = verify(replace(backup, manifest=manifest), repository, REGISTRY).wrong
    assert "holds other blocks than when it was written" in wrong.message
