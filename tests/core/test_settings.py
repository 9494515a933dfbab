import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup.errors import ConfigError
from vmbackup.settings import Secret, SecretSource, Settings


class Section(Settings):
    """A plugin's section."""

    password: Secret
    retry_count: int = 3


def source(**where: object) -> SecretSource:
    return SecretSource.model_validate(where)


def revealing(**where: object) -> str:
    with pytest.raises(ConfigError) as caught:
        source(**where).reveal()
    return str(caught.value)


def test_a_section_takes_keys_with_dashes_or_underscores_and_no_others() -> None:
    assert Section.model_validate({"password": "x", "retry-count": 5}).retry_count == 5
    assert Section.model_validate({"password": "x", "retry_count": 5}).retry_count == 5
    with pytest.raises(ValidationError):
        Section.model_validate({"password": "x", "retrycount": 5})


def test_a_section_is_frozen() -> None:
    section = Section.model_validate({"password": "x"})
    with pytest.raises(ValidationError):
        section.retry_count = 4  # type: ignore[misc] # what a plugin without types may try


def test_a_text_is_the_secret_itself_and_does_not_show() -> None:
    section = Section.model_validate({"password": "geheim"})
    assert section.password.reveal() == "geheim"
    shown = f"{section!r} {section} {section.password!r} {section.model_dump_json()} {section.model_dump()}"
    assert "geheim" not in shown


@pytest.mark.parametrize("where", [{}, {"env": "A", "file": "b"}, {"value": "a", "command": ["b"]}])
def test_a_secret_comes_from_exactly_one_place(where: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        source(**where)


def test_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b" p\xc3\xa4ss word \r\n")
    path.chmod(0o600)
    assert source(file=str(path)).reveal() == " päss word "


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("geheim")
    path.chmod(mode)
    told = revealing(file=str(path))
    assert f"{mode:04o}" in told
    assert f"chmod 600 {path}" in told
    assert "geheim" not in told


def test_a_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    assert "No such file" in revealing(file=str(tmp_path / "missing"))
    path = tmp_path / "binary"
    path.write_bytes(b"geheim\xff")
    path.chmod(0o600)
    told = revealing(file=str(path))
    assert "UTF-8" in told
    assert "geheim" not in told


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL_PASSWORD", "geheim")
    assert source(env="POOL_PASSWORD").reveal() == "geheim"
    monkeypatch.delenv("POOL_PASSWORD")
    assert "POOL_PASSWORD" in revealing(env="POOL_PASSWORD")


def test_from_a_systemd_credential_whatever_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "pool").write_text("geheim\n")
    # What systemd makes for a service with User=: the ACL's mask shows as the group's bits.
    (tmp_path / "pool").chmod(0o440)
    assert source(credential="pool").reveal() == "geheim"
    assert "missing" in revealing(credential="missing")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "LoadCredential" in revealing(credential="pool")


def test_from_a_command_that_no_shell_reads() -> None:
    words = [sys.executable, "-c", "import sys; print(sys.argv[1])", "$(echo) *"]
    assert source(command=words).reveal() == "$(echo) *"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([sys.executable, "-c", "print('geheim'); raise SystemExit(3)"], "code 3"),
        ([sys.executable, "-c", r"import sys; sys.stdout.buffer.write(b'geheim\xff')"], "UnicodeDecodeError"),
        (["/nonexistent/command"], "FileNotFoundError"),
        ([], "did not give it"),
    ],
)
def test_a_command_that_fails_does_not_show_what_it_said(words: list[str], told: str) -> None:
    message = revealing(command=words)
    assert told in message
    assert "geheim" not in message


def test_a_command_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmbackup.settings.SECRET_COMMAND_SECONDS", 0.2)
    assert "TimeoutExpired" in revealing(command=["sleep", "60"])
