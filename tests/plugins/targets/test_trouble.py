import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup import KeyExists, TargetError
from vmbackup_targets.local import Local, LocalSettings
from vmbackup_targets.trouble import Explained


def run_full(root: Path, how: str, *prefix: str) -> dict[str, object]:
    command = [*prefix, sys.executable, str(Path(__file__).with_name("full.py")), how, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    outcome = json.loads(done.stdout)
    assert isinstance(outcome, dict)
    return outcome


def may_mount() -> bool:
    """Whether this user may mount a file system in a namespace of their own; most containers forbid it."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


NAMESPACE = ("unshare", "--map-root-user", "--mount")


def test_a_disk_that_gets_full_leaves_nothing_and_goes_on_working(root: Path) -> None:
    if may_mount():
        outcome = run_full(root, "tmpfs", *NAMESPACE)
        assert outcome["errno"] == "ENOSPC"
        assert "full" in str(outcome["advice"])
        assert outcome["free"] == 2 << 20
    else:
        outcome = run_full(root, "limit")
    assert outcome["left"] == []
    assert outcome["after"] == 1 << 20


def test_a_file_that_gets_too_large_leaves_nothing(root: Path) -> None:
    outcome = run_full(root, "limit")
    assert outcome["errno"] == "EFBIG"
    assert "ulimit -f" in str(outcome["advice"])
    assert "pool/vm/image.xva" in str(outcome["message"])
    assert outcome["left"] == []
    assert outcome["after"] == 1 << 20


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder that this process may read and not write; as root, which may all, the test becomes somebody else."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        privileged = os.geteuid() == 0
        if privileged:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if privileged:
                os.seteuid(0)
            Path(folder).chmod(0o700)


def test_a_folder_that_may_not_be_written(forbidden: Path) -> None:
    with Local("disk", LocalSettings(path=forbidden)) as target:
        assert list(target.entries()) == []
        with pytest.raises(TargetError, match="Permission denied") as raised:
            target.store("pool/key", [b"x"])
    assert str(forbidden / "pool/key") in raised.value.message
    assert "rwx" in raised.value.advice


def test_a_folder_that_may_not_be_listed_is_an_error_and_not_empty(forbidden: Path) -> None:
    assert os.geteuid() != 0, "root may list everything: this would show nothing"
    own = tempfile.mkdtemp()
    try:
        with Local("disk", LocalSettings(path=Path(own))) as target:
            target.store("a/key", [b"x"])
            (Path(own) / "a").chmod(0)
            for call in (target.entries("a"), target.leftovers(), target.fetch("a/key")):
                with pytest.raises(TargetError, match="Permission denied"):
                    list(call)
            with pytest.raises(TargetError, match="Permission denied"):
                target.stat("a/key")
            (Path(own) / "a").chmod(0o700)
            target.delete("a/key")
    finally:
        Path(own).rmdir()


def test_a_read_only_file_system(root: Path) -> None:
    if may_mount():
        outcome = run_full(root, "read-only", *NAMESPACE)
        assert outcome["errno"] == "EROFS"
        assert "read-only" in str(outcome["advice"])
        assert outcome["left"] == []
    else:
        # Nobody can make a file in /sys, whether it is mounted read-only or not.
        with (
            Local("disk", LocalSettings(path=Path("/sys"))) as target,
            pytest.raises(TargetError) as raised,
        ):
            target.store("key", [b"x"])
        assert raised.value.advice


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "rwx"),
        (errno.ESTALE, "mount it again"),
        (errno.EIO, "dmesg"),
        (errno.ENOTCONN, "gone"),
        (errno.EMFILE, "LimitNOFILE"),
    ],
)
def test_the_advice_says_what_to_do(number: int, words: str) -> None:
    explained = Explained("nas", "stored", "a/key", Path("/backups/a/key"))
    with pytest.raises(TargetError) as raised, explained:
        raise OSError(number, os.strerror(number))
    assert words in raised.value.advice
    assert raised.value.message == (f"target nas: a/key could not be stored: {os.strerror(number)} (/backups/a/key)")
    assert isinstance(raised.value.__cause__, OSError)


def test_other_errors_pass() -> None:
    explained = Explained("nas", "stored", "a/key", Path("/backups/a/key"))
    with pytest.raises(KeyExists), explained:
        raise FileExistsError(errno.EEXIST, "File exists")
    with pytest.raises(ZeroDivisionError), explained:
        raise ZeroDivisionError
    with pytest.raises(TargetError, match="text alone"), explained:
        raise OSError("text alone")
