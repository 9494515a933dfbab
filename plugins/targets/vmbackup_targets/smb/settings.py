"""What a section `[targets.LABEL]` of type `smb` may say."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vmbackup import Secret, Settings

_NOT_IN_A_NAME = frozenset('"*:<>?|\0')


def _folder(text: str) -> str:
    parts = [part for part in text.replace("\\", "/").split("/") if part]
    if any(part in {".", ".."} or _NOT_IN_A_NAME & set(part) for part in parts):
        raise ValueError("give a path below the share, such as backups/xen")
    return "/".join(parts)


def _share(text: str) -> str:
    if "/" in text or "\\" in text:
        raise ValueError("give the name of the share alone; server and folder have keys of their own")
    return text


class SmbSettings(Settings):
    """Which share, and as whom."""

    server: str = Field(min_length=1, description="name or address of the server")
    port: int = Field(default=445, ge=1, le=65535)
    share: Annotated[str, Field(min_length=1), AfterValidator(_share)]
    folder: Annotated[str, AfterValidator(_folder)] = Field(
        default="", description="a path below the share; it must exist"
    )
    username: str | None = Field(default=None, min_length=1)
    password: Secret | None = None
    domain: str | None = Field(default=None, min_length=1, description="of the user, where the server asks for one")
    auth: Literal["negotiate", "ntlm", "kerberos"] = Field(
        default="negotiate", description="Kerberos if there is a ticket, else NTLM; or one of the two only"
    )
    encrypt: bool = Field(default=True, description="refuse a server that cannot encrypt; signing is always required")
    timeout: float = Field(default=60, ge=1, le=3600, description="seconds that the server may take for each answer")

    @model_validator(mode="after")
    def _who(self) -> Self:
        if self.auth != "kerberos" and (self.username is None or self.password is None):
            raise ValueError("give username and password; only with auth = kerberos may a ticket stand for them")
        if self.username is None and (self.password is not None or self.domain is not None):
            raise ValueError("give the username that the password or domain belongs to")
        return self

    @property
    def user(self) -> str | None:
        """The user as the login takes it."""
        return f"{self.domain}\\{self.username}" if self.domain else self.username

    @property
    def place(self) -> str:
        """The folder in the way that Windows writes it."""
        return "\\".join([rf"\\{self.server}\{self.share}", *filter(None, self.folder.split("/"))])
