"""What the server reports, refuses, loses and forgets on the way of one file."""

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.plugins.targets.s3.ceph import Gateway
from tests.plugins.targets.s3.conftest import new_bucket, settings
from tests.plugins.targets.s3.moto_server import Moto
from tests.plugins.targets.s3.way import Reply, Request, Way, leading_to

from vmbackup import KeyExists, TargetError, TargetLost
from vmbackup_targets.s3.target import S3

MIB = 1 << 20
KEY = "pool/vm/image.xva"
OBJECT = f"xen/weekly/{KEY}"


def pieces(count: int = 12) -> Iterator[bytes]:
    """Enough for three parts."""
    for number in range(count):
        yield bytes([number]) * MIB


@pytest.fixture(params=["moto", "ceph"])
def way(request: pytest.FixtureRequest, moto: Moto, gateway: Gateway) -> Iterator[Way]:
    """A way to one of the servers."""
    with leading_to(moto.port if request.param == "moto" else gateway.port) as way:
        yield way


@pytest.fixture
def bucket(way: Way) -> str:
    return new_bucket(way.endpoint)


@pytest.fixture
def target(way: Way, bucket: str) -> Iterator[S3]:
    with S3("cloud", settings(way.endpoint, bucket)) as entered:
        yield entered


only_moto = pytest.mark.parametrize("way", ["moto"], indirect=True)
only_ceph = pytest.mark.parametrize("way", ["ceph"], indirect=True)


def is_part(request: Request, number: int | None = None) -> bool:
    told = re.search(r"partNumber=(\d+)", request.path)
    return request.method == "PUT" and told is not None and number in {None, int(told[1])}


def completes(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.path


def expect_nothing(target: S3) -> None:
    assert target.stat(KEY) is None
    assert list(target.entries()) == []
    assert list(target.leftovers()) == []


def test_parts_are_under_way_side_by_side_and_no_more_than_four(way: Way, target: S3) -> None:
    together = threading.Barrier(4, timeout=30)
    under_way, most = 0, 0
    changing = threading.Lock()

    def count(request: Request) -> Request:
        nonlocal under_way, most
        if is_part(request):
            with changing:
                under_way += 1
                most = max(most, under_way)
            if int(request.path.partition("partNumber=")[2].partition("&")[0]) <= 4:
                together.wait()
        return request

    def discount(request: Request, reply: Reply) -> Reply:
        nonlocal under_way
        if is_part(request):
            with changing:
                under_way -= 1
        return reply

    way.on_request, way.on_reply = count, discount
    assert target.store(KEY, pieces(41)).size == 41 * MIB
    assert most == 4
    assert b"".join(target.fetch(KEY)) == b"".join(pieces(41))


def test_a_part_of_which_the_server_reports_other_bytes_fails_the_file_and_leaves_nothing(way: Way, target: S3) -> None:
    def report(request: Request, reply: Reply) -> Reply:
        if is_part(request, 2):
            kept = [(name, value) for name, value in reply.headers if "checksum" not in name and name.lower() != "etag"]
            reply.headers = [*kept, ("ETag", '"0123456789abcdef0123456789abcdef"')]
        return reply

    way.on_reply = report
    with pytest.raises(TargetError, match=r"image\.xva could not be stored: the server holds other bytes .* MD5"):
        target.store(KEY, pieces())
    expect_nothing(target)


@only_ceph
@pytest.mark.parametrize("checksum", ["sha256", "md5"])
def test_bytes_that_change_on_their_way_are_refused_by_the_server(way: Way, bucket: str, checksum: str) -> None:
    def change(request: Request) -> Request:
        if is_part(request, 2):
            request.body = request.body[:-1] + b"?"
        return request

    with S3("cloud", settings(way.endpoint, bucket, checksum=checksum)) as target:
        way.on_request = change
        with pytest.raises(TargetError, match=r"could not be stored: (XAmzContentSHA256Mismatch|BadDigest)"):
            target.store(KEY, pieces())
        expect_nothing(target)


def test_a_server_that_refuses_the_newer_headers_is_told_the_md5(way: Way, bucket: str) -> None:
    told: list[str] = []

    def refuse(request: Request) -> Request | Reply:
        newer = [name for name in request.headers if name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum"))]
        told.extend(request.headers[name] for name in request.headers if name == "content-md5")
        body = b"<Error><Code>InvalidArgument</Code></Error>"
        return Reply(400, [], body) if request.method in {"PUT", "POST"} and newer else request

    way.on_request = refuse
    with (
        S3("cloud", settings(way.endpoint, bucket)) as target,
        pytest.raises(TargetError, match="InvalidArgument") as raised,
    ):
        target.store(KEY, pieces())
    assert "`checksum`" in raised.value.advice
    with S3("cloud", settings(way.endpoint, bucket, checksum="md5")) as target:
        for key, count in (("small", 1), (KEY, 12)):
            assert target.store(key, pieces(count)).size == count * MIB
            assert b"".join(target.fetch(key)) == b"".join(pieces(count))
    assert len(told) == 1 + 3, "an MD5 for the small one and for each part"


def test_a_server_that_refuses_to_hear_of_if_none_match_is_asked_without(way: Way, target: S3) -> None:
    refused = itertools.count()

    def refuse(request: Request) -> Request | Reply:
        if "if-none-match" not in request.headers:
            return request
        next(refused)
        return Reply(501, [], b"<Error><Code>NotImplemented</Code></Error>")

    way.on_request = refuse
    for key, count in (("small", 1), (KEY, 12)):
        assert target.store(key, pieces(count)).size == count * MIB
        with pytest.raises(KeyExists):
            target.store(key, [b"second"])
        assert b"".join(target.fetch(key)) == b"".join(pieces(count))
    assert next(refused) >= 2


@pytest.mark.parametrize(
    ("header", "value", "what"),
    [
        ("etag", '"0123456789abcdef0123456789abcdef-3"', "other bytes"),
        ("content-length", str(11 * MIB), "the server has 11,534,336"),
    ],
)
def test_a_whole_that_is_not_what_was_sent_is_taken_back(
    way: Way, target: S3, header: str, value: str, what: str
) -> None:
    def report(request: Request, reply: Reply) -> Reply:
        if request.method == "HEAD" and reply.status == 200:
            changed = {header, "x-amz-checksum-sha256"}
            kept = [(name, told) for name, told in reply.headers if name.lower() not in changed]
            reply.headers = [*kept, (header, value)]
        return reply

    way.on_reply = report
    with pytest.raises(TargetError, match=what):
        target.store(KEY, pieces())
    way.on_reply = lambda _, reply: reply
    expect_nothing(target)


@pytest.mark.parametrize("count", [1, 12], ids=["in one go", "in parts"])
def test_an_answer_that_is_lost_on_its_way_is_no_other_writer(way: Way, target: S3, count: int) -> None:
    lost = itertools.count()

    def lose(request: Request, reply: Reply) -> Reply | None:
        ends = completes(request) or (request.method == "PUT" and not is_part(request))
        return None if ends and next(lost) == 0 else reply

    way.on_reply = lose
    assert target.store(KEY, pieces(count)).size == count * MIB
    assert next(lost) >= 1, "nothing was lost"
    assert b"".join(target.fetch(KEY)) == b"".join(pieces(count))
    assert list(target.leftovers()) == []


def test_a_part_that_is_lost_is_sent_again(way: Way, target: S3) -> None:
    lost = itertools.count()
    way.on_request = lambda request: None if is_part(request, 2) and next(lost) == 0 else request
    assert target.store(KEY, pieces()).size == 12 * MIB
    assert next(lost) >= 2
    assert b"".join(target.fetch(KEY)) == b"".join(pieces())


def test_a_server_that_answers_no_more_is_lost_and_what_it_keeps_is_found_later(way: Way, target: S3) -> None:
    def silence(request: Request) -> Request | None:
        if is_part(request, 2):
            way.on_request = lambda _: None
            return None
        return request

    way.on_request = silence
    with pytest.raises(TargetLost, match=r"image\.xva could not be stored: .*onnection") as raised:
        target.store(KEY, pieces())
    assert "connects anew" in raised.value.advice
    way.on_request = lambda request: request
    assert target.stat(KEY) is None
    (left,) = target.leftovers()
    assert left.key == KEY
    assert 0 <= left.size <= 10 * MIB
    target.discard(left)
    target.discard(left)
    expect_nothing(target)


def test_what_came_meanwhile_stays(target: S3) -> None:
    def source() -> Iterator[bytes]:
        yield from pieces()
        target.store(KEY, [b"first"])

    with pytest.raises(KeyExists, match="stays as it is"):
        target.store(KEY, source())
    assert b"".join(target.fetch(KEY)) == b"first"
    assert list(target.leftovers()) == []


def at_the_last_moment(way: Way, bucket: str, other: Any) -> None:
    """Have somebody store under the key between our last look and our completion."""

    def meddle(request: Request) -> Request:
        if completes(request):
            other.put_object(Bucket=bucket, Key=OBJECT, Body=b"first")
        return request

    way.on_request = meddle


@only_moto
def test_what_comes_at_the_last_moment_stays_where_the_server_honours_if_none_match(
    way: Way, target: S3, bucket: str, moto: Moto, stranger: Callable[[str], Any]
) -> None:
    at_the_last_moment(way, bucket, stranger(moto.endpoint))
    with pytest.raises(KeyExists):
        target.store(KEY, pieces())
    assert b"".join(target.fetch(KEY)) == b"first"
    assert list(target.leftovers()) == []


@only_ceph
def test_what_comes_at_the_last_moment_is_lost_where_the_server_does_not(
    way: Way, target: S3, bucket: str, gateway: Gateway, stranger: Callable[[str], Any]
) -> None:
    at_the_last_moment(way, bucket, stranger(gateway.endpoint))
    assert target.store(KEY, pieces()).size == 12 * MIB
    assert b"".join(target.fetch(KEY)) == b"".join(pieces())
