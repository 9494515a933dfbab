"""What a section `[mirrors.LABEL]` of type `rsync` may say, and what its `to` means."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from vmbackup import Secret, Settings

_USER = r"(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?"
_HOST = r"(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
# What needs no protection from any shell on the way.
_PATH = r"[A-Za-z0-9._+=@/-]+"
_SSH = re.compile(rf"{_USER}{_HOST}:(?P<path>/{_PATH})")
_DAEMON = re.compile(rf"rsync://{_USER}{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>[A-Za-z0-9._+=@-]{_PATH})")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a mirror's root is: by ssh, or a daemon's module and a folder in it."""

    text: str
    daemon: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        daemon = text.startswith("rsync://")
        if not (_DAEMON if daemon else _SSH).fullmatch(text):
            raise ValueError(
                "give user@host:/folder or rsync://user@host:port/module/folder, of letters, digits and ._+=@/- alone"
            )
        return cls(text.rstrip("/"), daemon)

    def below(self, key: str = "") -> str:
        """Return a folder below the root as rsync takes it."""
        return f"{self.text}/{key}/" if key else f"{self.text}/"


def _address(text: str) -> str:
    Address.parse(text)
    return text


def _plain(path: Path) -> Path:
    if not re.fullmatch(r"/[A-Za-z0-9._+=@/-]+", str(path)):
        raise ValueError("give an absolute path of letters, digits and ._+=@/- alone")
    return path


PlainPath = Annotated[Path, AfterValidator(_plain)]


class RsyncSettings(Settings):
    """Where to, and how to log in."""

    to: Annotated[str, AfterValidator(_address)] = Field(
        description="user@host:/folder over ssh, or rsync://user@host:port/module/folder; the folder must exist"
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="of ssh; 22, or what ssh's own files say")
    identity: PlainPath | None = Field(default=None, description="the private key for ssh, without a passphrase")
    known_hosts: PlainPath | None = Field(default=None, description="the file with the host's key; else ssh's own")
    password: Secret | None = Field(default=None, description="of a daemon's user")
    timeout: int = Field(default=120, ge=5, le=3600, description="seconds in which something must come or go")
    flush: bool = Field(default=True, description="flush each file there; needs rsync 3.2.4 on both sides")
    spool: Path | None = Field(default=None, description="a folder for one image, where the target has no path for it")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.address.daemon and (self.port or self.identity or self.known_hosts):
            raise ValueError("port, identity and known-hosts are for ssh; a daemon's port stands in its URL")
        if not self.address.daemon and self.password:
            raise ValueError("a password is for a daemon; over ssh a key logs in")
        return self

    @property
    def address(self) -> Address:
        """Where to."""
        return Address.parse(self.to)
