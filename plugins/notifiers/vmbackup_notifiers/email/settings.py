"""Which server sends the mail, from whom and to whom."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vmbackup import Secret, Settings

_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def _is_address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("give a bare mail address, such as admin@example.edu")
    return address


Address = Annotated[str, AfterValidator(_is_address)]


class EmailSettings(Settings):
    """Which server sends the mail, from whom and to whom."""

    host: str = Field(min_length=1, description="the mail server")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="25 without TLS, 587 with STARTTLS, 465 with TLS"
    )
    tls: Literal["none", "starttls", "tls"] = Field(
        default="starttls", description="never without where it is asked for"
    )
    ca: Path | None = Field(default=None, description="a file of CA certificates, trusted besides the system's own")
    username: str | None = None
    password: Secret | None = None
    from_: Address = Field(alias="from")
    to: tuple[Address, ...] = Field(min_length=1)
    timeout: float = Field(default=30, gt=0, le=600, description="seconds that the server may take for each answer")
    retries: int = Field(default=2, ge=0, le=5, description="how often what may pass by itself is tried again at once")
    retry_wait: float = Field(default=2, gt=0, le=60, description="seconds before the first retry; they double")

    @model_validator(mode="after")
    def _login_is_whole_and_private(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("give both username and password, or neither")
        if self.password is not None and self.tls == "none":
            raise ValueError("a password is not sent without TLS")
        return self

    @property
    def server_port(self) -> int:
        """The port, said or not."""
        return self.port or _PORTS[self.tls]
