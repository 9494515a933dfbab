"""What every plugin's section of the configuration is made of: typed settings, and secrets that do not show."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from vmbackup.errors import ConfigError

SECRET_COMMAND_SECONDS = 30


class Settings(BaseModel):
    """Base of every section: frozen, and a key that is not declared is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_name=True,
        validate_by_alias=True,
    )


class NoSettings(Settings):
    """For a plugin that has nothing to set."""


class SecretSource(Settings):
    """Where a secret comes from: exactly one of its fields. It is read when it is needed and never kept in a log."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    value: SecretStr | None = Field(default=None, description="the secret itself; the file must then be its owner's")
    file: Path | None = Field(default=None, description="a file that only its owner may read")
    env: str | None = Field(default=None, description="an environment variable")
    command: tuple[str, ...] | None = Field(default=None, description="a program and its arguments; no shell")
    credential: str | None = Field(default=None, description="a systemd credential of the service")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of file, env, command, credential")
        return self

    def reveal(self) -> str:
        """Return the secret itself, without a line end. Raises ConfigError where it cannot be had."""
        if self.value is not None:
            return self.value.get_secret_value()
        if self.file is not None:
            return _from_file(self.file)
        if self.env is not None:
            return _from_environment(self.env)
        if self.credential is not None:
            folder = os.environ.get("CREDENTIALS_DIRECTORY")
            if folder is None:
                raise ConfigError(
                    f"the secret is the systemd credential {self.credential!r}, but this process was given none",
                    advice="Start it from a unit with LoadCredential=, or take the secret from a file.",
                )
            # Its mode says nothing: systemd lets a service's user read it by an ACL, which shows as the group's bits.
            return _read(Path(folder) / self.credential)
        return _from_command(self.command or ())


def holds_secret(settings: BaseModel) -> bool:
    """Whether a secret itself, and not where to find it, stands in these settings."""
    if isinstance(settings, SecretSource):
        return settings.value is not None
    return any(isinstance(value, BaseModel) and holds_secret(value) for _, value in settings)


def _source(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


Secret = Annotated[SecretSource, BeforeValidator(_source, json_schema_input_type=SecretSource | str)]


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: the secret cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: others than its owner may read this secret (mode {stat.S_IMODE(mode):04o})",
            advice=f"chmod 600 {path}",
        )
    return _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{path}: the secret cannot be read: {error.strerror}") from error
    except UnicodeError:
        raise ConfigError(f"{path}: the secret is not text in UTF-8") from None


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigError(f"the secret should be in the environment variable {name}, which is not set") from None


def _from_command(command: tuple[str, ...]) -> str:
    # The command's own words are shown, its output never is.
    try:
        done = subprocess.run(  # noqa: S603 - the administrator's own command, given as words, never to a shell
            command, capture_output=True, check=True, text=True, timeout=SECRET_COMMAND_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"the command for the secret, {command[0]!r}, ended with code {error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired, UnicodeError, IndexError) as error:
        raise ConfigError(f"the command for the secret did not give it: {type(error).__name__}") from None
    return done.stdout.rstrip("\r\n")
