"""What the target nfs says without a kernel that has NFS; the rest is in tests/kernel."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup import TargetError, TargetNotProven
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs

SECTION = {"server": "nas.example.edu", "export": "/srv/backups"}


@pytest.fixture
def nobody() -> Iterator[None]:
    """This process has no rights; where it has none anyhow, nothing changes."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.parametrize(
    "more",
    [
        {"folder": "pool/backups"},
        {"options": "nfsvers=4.2,hard"},
        {"path": "/mnt/nas", "patience": 5},
        {"server": "fd00::3", "export": "/"},
    ],
)
def test_settings_that_make_sense_are_taken(more: dict[str, object]) -> None:
    NfsSettings.model_validate({**SECTION, **more})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"server": "-o"}, "server"),
        ({"server": "nas:"}, "server"),
        ({"export": "backups"}, "an absolute path, such as"),
        ({"export": "/srv/../etc"}, "an absolute path, such as"),
        ({"folder": "../other"}, "plain names"),
        ({"folder": "/backups"}, "plain names"),
        ({"path": "mnt"}, "absolute"),
        ({"path": "/mnt", "options": "hard"}, "whoever mounts it"),
        ({"options": "bg"}, "background"),
        ({"patience": 0}, "patience"),
        ({"mount": "private"}, "mount"),
    ],
)
def test_settings_that_make_none_are_refused(more: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        NfsSettings.model_validate({**SECTION, **more})


@pytest.mark.usefixtures("nobody")
def test_who_is_not_root_is_told_to_have_it_mounted() -> None:
    with pytest.raises(TargetError, match="only root may mount") as raised, Nfs("nas", NfsSettings(**SECTION)):
        pytest.fail("it was entered")
    assert "`path`" in raised.value.advice


def test_a_folder_that_is_no_mount_of_nfs_is_refused_and_gets_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(TargetNotProven, match="no NFS is mounted there") as raised,
        Nfs("nas", NfsSettings(server="127.0.0.1", export="/srv", path=tmp_path)),
    ):
        pytest.fail("it was entered")
    assert str(tmp_path) in raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_never_made(tmp_path: Path) -> None:
    with (
        pytest.raises(TargetError, match="No such file"),
        Nfs("nas", NfsSettings(server="127.0.0.1", export="/srv", path=tmp_path / "absent")),
    ):
        pytest.fail("it was entered")
    assert list(tmp_path.iterdir()) == []
