"""What a server refuses, and the words for it."""

import json
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.targets.s3 import moto_server
from tests.plugins.targets.s3.ceph import STRANGER, Gateway, own_gateway
from tests.plugins.targets.s3.conftest import new_bucket, settings
from tests.plugins.targets.s3.moto_server import SECRET_KEY, Moto
from tests.plugins.targets.s3.way import Reply, Request, Way, leading_to
from tests.plugins.targets.smb.samba import free_port

from vmbackup import ConfigError, TargetError, TargetLost
from vmbackup.simulator.certificate import ensure_certificate
from vmbackup_targets.s3.target import S3
from vmbackup_targets.s3.trouble import Explained, Refused

MIB = 1 << 20
KEY = "pool/vm/image.xva"


@pytest.fixture
def way(moto: Moto) -> Iterator[Way]:
    with leading_to(moto.port) as way:
        yield way


@pytest.mark.parametrize(
    ("change", "code", "advice"),
    [
        ({"secret-key": "canary-wrong"}, "SignatureDoesNotMatch", "Check access-key and secret-key"),
        ({"access-key": "canary-nobody"}, "InvalidAccessKeyId", "Check access-key and secret-key"),
        ({"access-key": STRANGER}, "AccessDenied", "The user needs s3:ListBucket"),
        ({"bucket": "there-is-none"}, "NoSuchBucket", "never made"),
    ],
)
def test_what_is_wrong_is_told_when_the_target_is_opened(
    gateway: Gateway, change: dict[str, object], code: str, advice: str
) -> None:
    target = S3("cloud", settings(gateway.endpoint, new_bucket(gateway.endpoint), **change))
    with pytest.raises(TargetError, match=f"target cloud: the bucket could not be opened: {code}") as told, target:
        pass
    assert advice in told.value.advice
    words = "".join(traceback.format_exception(told.value)) + repr(told.value) + repr(target.settings)
    assert SECRET_KEY not in words
    assert "canary" not in words


def test_rights_that_go_while_the_target_is_in_use(gateway: Gateway, stranger: Callable[[str], Any]) -> None:
    bucket = new_bucket(gateway.endpoint)
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:PutObject", "s3:DeleteObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    with S3("cloud", settings(gateway.endpoint, bucket)) as target:
        target.store("pool/key", [b"x"])
        stranger(gateway.endpoint).put_bucket_policy(Bucket=bucket, Policy=json.dumps(deny))
        for chunks in ([b"x"], [bytes(11 * MIB)]):
            with pytest.raises(TargetError, match=r"image\.xva could not be stored: AccessDenied"):
                target.store(KEY, chunks)
        with pytest.raises(TargetError, match="pool/key could not be deleted: AccessDenied") as told:
            target.delete("pool/key")
        assert "s3:DeleteObject" in told.value.advice
        assert list(target.leftovers()) == []
        assert [entry.key for entry in target.entries("pool")] == ["pool/key"]


def test_a_setting_that_the_server_does_not_take(gateway: Gateway) -> None:
    with S3("cloud", settings(gateway.endpoint, new_bucket(gateway.endpoint), **{"storage-class": "NONE"})) as target:
        for chunks in ([b"x"], [bytes(11 * MIB)]):
            with pytest.raises(TargetError, match="could not be stored: InvalidArgument") as told:
                target.store(KEY, chunks)
            assert "storage-class" in told.value.advice


def test_nobody_is_there() -> None:
    target = S3("cloud", settings(f"http://127.0.0.1:{free_port()}", "backups"))
    with (
        pytest.raises(TargetLost, match=r"the bucket could not be opened: .*onnect.* \(s3://backups/xen/weekly\)"),
        target,
    ):
        pass


def test_certificates_are_checked(tmp_path: Path) -> None:
    certificate = tmp_path / "server.pem"
    ensure_certificate(certificate, "s3.example.edu", "127.0.0.1")
    with moto_server.running(Moto(tmp_path / "log", (certificate, certificate))) as server:
        bucket = new_bucket(server.endpoint, verify=str(certificate))
        target = S3("cloud", settings(server.endpoint, bucket))
        with pytest.raises(TargetError, match="certificate is not to be trusted") as told, target:
            pass
        assert not isinstance(told.value, TargetLost)
        assert "Set `ca`" in told.value.advice
        with S3("cloud", settings(server.endpoint, bucket, ca=certificate)) as trusted:
            trusted.store(KEY, [bytes(11 * MIB)])
            assert sum(map(len, trusted.fetch(KEY))) == 11 * MIB
    with (
        pytest.raises(ConfigError, match="there are no certificates"),
        S3("cloud", settings("https://x", "abc", ca="/no")),
    ):
        pass


def test_nobodys_own_settings_of_aws_change_where_backups_go(
    moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(moto.endpoint)
    (tmp_path / "config").write_text("[default]\nregion = nowhere\ns3 =\n  addressing_style = virtual\n")
    for name, value in (("AWS_CONFIG_FILE", str(tmp_path / "config")), ("AWS_PROFILE", "none"), ("AWS_REGION", "mars")):
        monkeypatch.setenv(name, value)
    with S3("cloud", settings(moto.endpoint, bucket)) as target:
        target.store(KEY, [b"x"])
        assert target._entered().client.meta.region_name == "us-east-1"


def test_a_listing_of_several_pages_is_read_to_its_end(way: Way, moto: Moto) -> None:
    def few(request: Request) -> Request:
        if "list-type=2" in request.path:
            request.path += "&max-keys=2"
        return request

    way.on_request = few
    wanted = {f"many/{number:02d}" for number in range(7)} | {"many/folder"}
    with S3("cloud", settings(way.endpoint, new_bucket(moto.endpoint))) as target:
        for key in sorted(wanted - {"many/folder"}):
            target.store(key, [b"x"])
        target.store("many/folder/file", [b"x"])
        assert {entry.key for entry in target.entries("many")} == wanted


def test_a_listing_that_does_not_say_where_it_goes_on_is_an_error_and_never_short(way: Way, moto: Moto) -> None:
    def cut(request: Request, reply: Reply) -> Reply:
        if request.method == "GET":
            reply.body = reply.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
        return reply

    with S3("cloud", settings(way.endpoint, new_bucket(moto.endpoint))) as target:
        target.store("pool/key", [b"x"])
        way.on_reply = cut
        with pytest.raises(TargetError, match=r"pool could not be listed: .* its listing goes on"):
            list(target.entries("pool"))


def test_strangers_objects_are_neither_listed_nor_leftovers(
    target: S3, moto: Moto, bucket: str, stranger: Callable[[str], Any]
) -> None:
    other = stranger(moto.endpoint)
    target.store("pool/key", [b"x"])
    for key in ("xen/weekly/", "xen/weekly/.hidden", "xen/weekly/a b", "xen/weekly/é/x", "xen/weekly2", "notes"):
        other.put_object(Bucket=bucket, Key=key, Body=b"somebody's")
    for key in ("xen/weekly/a b", "xen/weekly2", "notes"):
        other.create_multipart_upload(Bucket=bucket, Key=key)
    assert [entry.key for entry in target.entries()] == ["pool"]
    assert list(target.leftovers()) == []


def test_an_answer_that_breaks_off_is_lost_and_no_short_file(way: Way, moto: Moto) -> None:
    def cut(request: Request, reply: Reply) -> Reply:
        if request.method == "GET" and request.path.endswith(".xva"):
            reply.headers = [one for one in reply.headers if one[0].lower() != "content-length"]
            reply.cut = 2 * MIB
        return reply

    with S3("cloud", settings(way.endpoint, new_bucket(moto.endpoint))) as target:
        target.store(KEY, [bytes(3 * MIB)])
        way.on_reply = cut
        with pytest.raises(TargetLost, match=r"image\.xva could not be read"):
            list(target.fetch(KEY))


def test_a_gateway_that_is_killed_while_a_file_is_written_shows_nothing_of_it(gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint)
    with own_gateway(gateway.folder) as own, S3("cloud", settings(own.endpoint, bucket)) as target:

        def source() -> Iterator[bytes]:
            for number in range(40):
                if number == 22:
                    # The first part is answered for when a fifth is sent.
                    own.kill()
                yield bytes(MIB)

        target.store("lives", [b"x"])
        with pytest.raises(TargetLost, match=r"image\.xva could not be stored: "):
            target.store(KEY, source())
        own.start()
        assert target.stat(KEY) is None
        assert [entry.key for entry in target.entries()] == ["lives"]
        (left,) = target.leftovers()
        assert left.key == KEY
        assert left.size % (5 * MIB) == 0
        target.discard(left)
        assert list(target.leftovers()) == []
        assert target.store(KEY, [bytes(MIB)]).size == MIB


def test_a_gateway_that_hangs_is_lost(gateway: Gateway) -> None:
    bucket = new_bucket(gateway.endpoint)
    with own_gateway(gateway.folder) as own, S3("cloud", settings(own.endpoint, bucket, timeout=1)) as target:
        own.send_signal(signal.SIGSTOP)
        with pytest.raises(TargetLost, match=r"key could not be looked at: .*timeout"):
            target.stat("key")
        own.send_signal(signal.SIGCONT)
        assert target.stat("key") is None


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500), ("502", 502)])
def test_what_passes_by_itself_may_be_tried_again(code: str, status: int) -> None:
    with pytest.raises(TargetLost, match=f"could not be stored: {code}"), Explained("c", "stored", "k", "s3://b/k"):
        raise Refused(code, status)


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501), ("InvalidPart", 400)])
def test_what_stays_as_it_is_may_not(code: str, status: int) -> None:
    explained = Explained("c", "stored", "k", "s3://b/k")
    with pytest.raises(TargetError, match=f"could not be stored: {code}") as raised, explained:
        raise Refused(code, status)
    assert not isinstance(raised.value, TargetLost)


def test_what_is_no_business_of_the_server_passes() -> None:
    with pytest.raises(ZeroDivisionError), Explained("c", "stored", "k", "s3://b/k"):
        _ = 1 / 0
