import base64
import hashlib

import pytest

from vmbackup_targets.s3.checksums import Answer, Part, encoded, hold, hold_whole
from vmbackup_targets.s3.trouble import Unusable

SENT = b"what was sent"
SHA256 = hashlib.sha256(SENT).digest()
MD5 = hashlib.md5(SENT, usedforsecurity=False).hexdigest()
OTHER = hashlib.sha256(b"something else").digest()


def part(number: int, *, reported: bool = True) -> Part:
    data = f"part {number}".encode()
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Part(number, f'"{etag}"', hashlib.sha256(data).digest(), reported, len(data))


def composite(*parts: Part) -> str:
    return base64.b64encode(hashlib.sha256(b"".join(one.sha256 for one in parts)).digest()).decode()


def whole_etag(*parts: Part) -> str:
    digests = b"".join(bytes.fromhex(one.etag.strip('"')) for one in parts)
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


@pytest.mark.parametrize(
    "answer",
    [
        Answer(f'"{MD5}"'),
        Answer(f'"{MD5}"', encoded(SHA256)),
        Answer('"0123456789abcdef0123456789abcdef"', encoded(SHA256)),
        Answer('"0123456789abcdef0123456789abcdef"', keyed=True),
        Answer('"no digest"'),
        Answer(""),
    ],
)
def test_what_agrees_or_says_nothing_passes(answer: Answer) -> None:
    hold(answer, SENT, SHA256)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(f'"{MD5}"', encoded(OTHER)), "SHA-256"),
        (Answer('"0123456789abcdef0123456789abcdef"'), "MD5"),
        (Answer('"0123456789abcdef0123456789abcdef"', encoded(OTHER), keyed=True), "SHA-256"),
    ],
)
def test_what_the_server_says_of_other_bytes_is_refused(answer: Answer, what: str) -> None:
    with pytest.raises(Unusable, match=f"other bytes than it was sent: {what}") as raised:
        hold(answer, SENT, SHA256)
    assert "look there" in raised.value.advice


ONE, TWO = part(1), part(2)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(whole_etag(ONE, TWO)),
        Answer(whole_etag(ONE, TWO), f"{composite(ONE, TWO)}-2"),
        Answer("", composite(ONE, TWO)),
        Answer('"0123456789abcdef0123456789abcdef-2"', keyed=True),
        Answer('"something of its own"'),
    ],
)
def test_a_whole_that_is_made_of_its_parts_passes(answer: Answer) -> None:
    hold_whole(answer, [ONE, TWO])


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(whole_etag(TWO, ONE)), "MD5 of its parts"),
        (Answer(whole_etag(ONE)), "MD5 of its parts"),
        (Answer(whole_etag(ONE, TWO), f"{composite(TWO, ONE)}-2"), "SHA-256 of its parts"),
        (Answer(whole_etag(ONE, TWO), f"{composite(ONE, TWO)}-3"), "number of parts"),
    ],
)
def test_a_whole_of_other_parts_is_refused(answer: Answer, what: str) -> None:
    with pytest.raises(Unusable, match=what):
        hold_whole(answer, [ONE, TWO])


def test_a_digest_of_the_whole_counts_only_where_the_parts_had_theirs() -> None:
    parts = [part(1, reported=False), part(2, reported=False)]
    hold_whole(Answer(whole_etag(*parts), encoded(OTHER)), parts)
