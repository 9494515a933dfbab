"""What a section `[mirrors.LABEL]` of type `sftp` may say."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from vmbackup import Secret, Settings


class SftpSettings(Settings):
    """Where to, how to know the host, and how to log in."""

    host: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]*$", description="a name or an address")
    port: int = Field(default=22, ge=1, le=65535)
    folder: str = Field(
        pattern=r"^[^\x00\n]+$",
        description="on the host, for vmbackup alone; it must exist. A relative one begins at home",
    )
    username: str = Field(min_length=1)
    password: Secret | None = None
    identity: Path | None = Field(default=None, description="the file of the private key")
    passphrase: Secret | None = Field(default=None, description="of the private key, where it has one")
    known_hosts: Path | None = Field(default=None, description="the file with the host's key, as ssh has it")
    fingerprint: str | None = Field(
        default=None,
        pattern=r"^SHA256:[A-Za-z0-9+/]{43}$",
        description="of the host's key, as `ssh-keygen -l` shows it",
    )
    timeout: float = Field(default=60, ge=1, le=3600, description="seconds that the server may take for each answer")

    @model_validator(mode="after")
    def _known_and_let_in(self) -> Self:
        if (self.known_hosts is None) == (self.fingerprint is None):
            raise ValueError("give known-hosts or fingerprint: an unknown host is sent nothing")
        if (self.password is None) == (self.identity is None):
            raise ValueError("give a password or an identity")
        if self.passphrase and not self.identity:
            raise ValueError("a passphrase belongs to an identity")
        return self
