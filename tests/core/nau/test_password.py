import subprocess
import sys
from pathlib import Path

import pytest

from vmbackup.errors import ConfigError
from vmbackup.nau.password import read_password, write_password

SHOW = """\
import sys
from pathlib import Path
from vmbackup.nau.password import read_password
found = read_password(sys.argv[2])
assert found.text == "s3cret pässword" and found.file is None
sys.stdout.buffer.write(Path("/proc/self/cmdline").read_bytes())
"""


def file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "nau.password"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"cGFzcw==", "pass"),
        (b" cGFz\ncw==\r\n", "pass"),
        (b"cGFz-cw==", "pass"),
        ("pässword".encode(), None),
        (b"w6Q=", "ä"),
        (b"5A==", "ä"),
    ],
)
def test_a_password_file_is_read_as_ever(content: bytes, password: str | None, tmp_path: Path) -> None:
    if password is None:
        with pytest.raises(ConfigError, match="not a password file"):
            read_password(file(tmp_path, content))
        return
    found = read_password(file(tmp_path, content))
    assert (found.text, found.file, found.warning) == (password, tmp_path / "nau.password", "")


@pytest.mark.parametrize("content", [b"", b"=", b"cGFzcw", b"A", b"A" * (1 << 17)])
def test_what_is_no_password_file_is_refused_and_not_shown(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nau\.password: not a password file") as raised:
        read_password(file(tmp_path, content))
    assert "create-password-file" in raised.value.advice
    assert "AAA" not in str(raised.value)


def test_one_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    found = read_password(file(tmp_path, b"cGFzcw==", 0o640))
    assert found.text == "pass"
    assert "others than its owner may read this password: chmod 600" in found.warning


def test_what_is_written_is_read_again_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_bytes(b"a longer one from before")
    path.chmod(0o644)
    write_password(path, "p=ä s\u2028")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_password(str(path)).text == "p=ä s\u2028"


def test_a_password_file_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_password(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_password(tmp_path / "absent" / "made", "x")
    with pytest.raises(ConfigError, match="the password is empty"):
        read_password("")


def test_a_password_on_the_command_line_is_overwritten_there_and_nothing_else() -> None:
    """Also where it stands twice; not within another word."""
    words = ["-c", SHOW, "first", "s3cret pässword", "s3cret pässword", "not-s3cret pässword"]
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True)
    veiled = b"*" * len("s3cret pässword".encode())
    shown = done.stdout.split(b"\0")
    assert shown[1:] == [b"-c", SHOW.encode(), b"first", veiled, veiled, "not-s3cret pässword".encode(), b""]


@pytest.mark.parametrize("word", ["x" * 5000, "a/b", "a\nb"])
def test_what_can_be_no_file_is_the_password_itself(word: str) -> None:
    found = read_password(word)
    assert found.text == word
    assert word not in found.warning
