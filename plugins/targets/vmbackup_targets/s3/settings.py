"""What a section `[targets.LABEL]` of type `s3` may say."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from vmbackup import Secret, Settings

_PART: Final = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9._+=-]*")
_SPAN: Final = re.compile(r"([0-9]+) *(second|minute|hour|day|week|year)s?")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "year": 365 * 86400}
# Together with the longest key, 400 bytes, well below the 1,024 that S3 takes.
_PREFIX_BYTES: Final = 400
_MIB: Final = 1 << 20


def _prefix(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    if not all(map(_PART.fullmatch, parts)) or len(text) > _PREFIX_BYTES:
        raise ValueError(
            "give the beginning of all keys, such as xen/weekly: letters, digits and ._+=- between slashes"
        )
    return "/".join(parts)


def _span(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SPAN.fullmatch(value.strip())
    if match is None:
        raise ValueError('write it as "30 days", "12 weeks" or "1 year"')
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


Written = Annotated[str, Field(pattern=rf"^\s*{_SPAN.pattern}\s*$")]
Span = Annotated[
    timedelta, BeforeValidator(_span, json_schema_input_type=Written), Field(gt=timedelta(0), le=timedelta(days=36500))
]


class S3Settings(Settings):
    """Which bucket, and as whom."""

    endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^/@?#\s]+/?$", description="https://host[:port]; AWS where it is left out"
    )
    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    bucket: str = Field(pattern=r"^[A-Za-z0-9._-]{3,255}$", description="it must exist, and is never made")
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(default="", description="what all keys begin with")
    access_key: Secret
    secret_key: Secret
    ca: Path | None = Field(default=None, description="the certificates to trust, a PEM file; else the system's")
    addressing: Literal["path", "virtual"] = Field(
        default="path", description="where the bucket is named: in the path of a URL, or before the host"
    )
    storage_class: str | None = Field(default=None, pattern=r"^[A-Z0-9_]+$", description="of every object")
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="by the server, with its own key or its key service's; else as the bucket says"
    )
    kms_key: str | None = Field(default=None, min_length=1, description="which key of the key service")
    retain: Span | None = Field(default=None, description="how long nobody may delete a file, by object lock")
    retain_mode: Literal["compliance", "governance"] = Field(
        default="compliance", description="nobody at all, or all but those with a right of their own"
    )
    checksum: Literal["sha256", "md5"] = Field(
        default="sha256", description="sent with every body; md5 for servers that refuse the newer headers"
    )
    part_size: int | None = Field(
        default=None, ge=5, le=5120, description="MiB of every part; else they grow with the file"
    )
    timeout: float = Field(default=60, ge=1, le=3600, description="seconds that the server may take for each answer")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError('kms-key goes with encryption = "aws:kms"')
        return self

    @property
    def place(self) -> str:
        """What all keys begin with, in the way that the tools of S3 write it."""
        return "/".join(filter(None, [f"s3://{self.bucket}", self.prefix]))

    @property
    def part_bytes(self) -> int | None:
        """`part_size` in bytes."""
        return self.part_size * _MIB if self.part_size else None
