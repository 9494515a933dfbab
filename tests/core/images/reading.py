"""How the tests show an image to a check."""

from collections.abc import Iterable

import pytest

from vmbackup.errors import ImageError
from vmbackup.images import Evidence, ImageCheck


def check_pieces(check: ImageCheck, pieces: Iterable[bytes]) -> Evidence:
    for piece in pieces:
        assert bytes(check.feed(piece)) == piece
    return check.close()


def check_whole(check: ImageCheck, image: bytes, step: int = 1 << 20) -> Evidence:
    return check_pieces(check, cut_into(image, step))


def cut_into(image: bytes, step: int) -> Iterable[bytes]:
    return (image[start : start + step] for start in range(0, len(image), step))


def refusal(check: ImageCheck, image: bytes, step: int = 1 << 20) -> str:
    """The message with which an image is refused, which must come from `feed` or `close`."""
    with pytest.raises(ImageError) as caught:
        check_whole(check, image, step)
    return caught.value.message
