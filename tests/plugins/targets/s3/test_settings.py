import pickle
import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from vmbackup_targets.s3.bucket import Bucket
from vmbackup_targets.s3.settings import S3Settings

USUAL = {"bucket": "backups", "access-key": "canary-1Hs6", "secret-key": "canary-4Qp8"}


def test_the_usual_settings_and_what_follows_from_them() -> None:
    settings = S3Settings.model_validate(USUAL)
    assert (settings.endpoint, settings.region, settings.addressing) == (None, "us-east-1", "path")
    assert (settings.retain, settings.part_bytes, settings.prefix) == (None, None, "")
    assert settings.place == "s3://backups"
    assert "canary" not in repr(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


@pytest.mark.parametrize("prefix", ["xen/weekly", "/xen//weekly/"])
def test_a_prefix_may_be_written_either_way(prefix: str) -> None:
    settings = S3Settings.model_validate({**USUAL, "prefix": prefix})
    assert settings.prefix == "xen/weekly"
    assert settings.place == "s3://backups/xen/weekly"


@pytest.mark.parametrize(
    ("text", "days"), [("30 days", 30), ("1 day", 1), ("12 weeks", 84), ("2years", 730), (timedelta(days=3), 3)]
)
def test_how_long_a_file_is_retained(text: object, days: int) -> None:
    settings = S3Settings.model_validate({**USUAL, "retain": text})
    assert settings.retain == timedelta(days=days)
    now = datetime(2026, 3, 14, 22, 0, 0, 1, tzinfo=UTC)
    assert Bucket(None, settings).until(now) == datetime(2026, 3, 14, 22, 0, 1, tzinfo=UTC) + timedelta(days=days)


def test_an_editor_knows_how_it_is_written() -> None:
    schema = S3Settings.model_json_schema()
    pattern = schema["properties"]["retain"]["anyOf"][0]["pattern"]
    assert all(re.search(pattern, text) for text in ("30 days", "1 year", " 12 weeks"))
    assert not any(re.search(pattern, text) for text in ("30", "P30D", "a 30 days"))


def test_what_is_said_of_every_object() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    assert set(Bucket(None, S3Settings.model_validate(USUAL)).making("m", None)) == {"Metadata"}
    more = {"storage-class": "STANDARD_IA", "encryption": "aws:kms", "kms-key": "k1", "retain-mode": "governance"}
    made = Bucket(None, S3Settings.model_validate({**USUAL, **more})).making("m", until)
    assert made.items() >= {
        ("StorageClass", "STANDARD_IA"),
        ("ServerSideEncryption", "aws:kms"),
        ("SSEKMSKeyId", "k1"),
        ("ObjectLockMode", "GOVERNANCE"),
        ("ObjectLockRetainUntilDate", until),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "s3.example.edu"}, "should match pattern"),
        ({"endpoint": "https://user@s3.example.edu"}, "should match pattern"),
        ({"endpoint": "https://s3.example.edu/backups"}, "should match pattern"),
        ({"bucket": "backups/xen"}, "should match pattern"),
        ({"prefix": "a/../b"}, "the beginning of all keys"),
        ({"prefix": "a b"}, "the beginning of all keys"),
        ({"prefix": "x" * 401}, "the beginning of all keys"),
        ({"retain": "30"}, "30 days"),
        ({"retain": "a month"}, "30 days"),
        ({"retain": "0 days"}, "greater than"),
        ({"retain-mode": "legal"}, "'compliance' or 'governance'"),
        ({"kms-key": "k1"}, "goes with encryption"),
        ({"part-size": 4}, "greater than or equal to 5"),
        ({"addressing": "auto"}, "'path' or 'virtual'"),
        ({"secret-key": None}, "secret-key"),
        ({"acl": "private"}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        S3Settings.model_validate({**USUAL, **change})
