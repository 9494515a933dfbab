import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.plugins.targets.disks import Disk, new_disk

from vmbackup import Entry, TargetError, TargetNotProven
from vmbackup.testing import TargetContract
from vmbackup_targets.filesystem import FileSystem, holding
from vmbackup_targets.local import Local, LocalSettings


def test_the_root_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="absent") as raised, Local("usb", LocalSettings(path=tmp_path / "absent")):
        pytest.fail("it was entered")
    assert "mounted" in raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_the_root_may_be_a_link_but_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    with Local("disk", LocalSettings(path=tmp_path / "link")) as target:
        assert list(target.entries()) == [Entry("file", 1)]
    with pytest.raises(TargetError), Local("disk", LocalSettings(path=tmp_path / "file")):
        pytest.fail("it was entered")


def test_relative_paths_and_unknown_settings_are_refused() -> None:
    for section in ({"path": "relative"}, {}, {"path": "/x", "create": True}):
        with pytest.raises(ValidationError):
            LocalSettings.model_validate(section)


def test_what_it_keeps_has_a_path_on_this_machine_while_it_is_entered(tmp_path: Path) -> None:
    target = Local("disk", LocalSettings(path=tmp_path))
    with target:
        target.store("pool/vm/image.xva", [b"x"])
        path = target.local_path("pool/vm")
        assert path is not None
        assert path.joinpath("image.xva").read_bytes() == b"x"
    assert target.local_path("pool/vm") is None


def on(disk: Disk, uuid: str) -> Local:
    return Local("usb", LocalSettings(path=disk.folder, filesystem=uuid))


def test_the_file_system_may_be_demanded_by_its_uuid(disk: Disk) -> None:
    for uuid in (disk.uuid, disk.uuid.upper()):
        with on(disk, uuid) as target:
            assert target.store(f"key-{uuid}", [b"x"]).size == 1


def test_a_disk_that_is_not_plugged_in_is_refused_and_the_one_that_is_there_named(disk: Disk) -> None:
    root = holding_of(disk.folder.parent)
    disk.detach()
    with pytest.raises(TargetNotProven) as raised, on(disk, disk.uuid):
        pytest.fail("it was entered")
    assert raised.value.message == (
        f"target usb: {disk.folder} is on the file system {root}, the configuration says {disk.uuid}"
    )
    assert "lsblk -f" in raised.value.advice
    assert list(disk.folder.iterdir()) == []


def holding_of(folder: Path) -> FileSystem:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return holding(descriptor)
    finally:
        os.close(descriptor)


def test_another_disk_in_its_place_is_refused_by_its_uuid(disk: Disk) -> None:
    disk.detach()
    other = new_disk(disk.folder, "0ddba11e-0000-4000-8000-00000000000b")
    other.attach()
    try:
        with pytest.raises(TargetNotProven, match=other.uuid), on(disk, disk.uuid):
            pytest.fail("it was entered")
    finally:
        other.detach()
    disk.attach()
    with on(disk, disk.uuid) as target:
        assert target.stat("key") is None


def test_a_folder_that_comes_and_goes_with_its_disk_is_not_proven_without_it(tmp_path: Path) -> None:
    settings = LocalSettings(path=tmp_path / "media/usb", filesystem="1234-ABCD")
    with pytest.raises(TargetNotProven, match="media/usb is not there, the configuration says 1234-ABCD"):
        Local("usb", settings).__enter__()


@pytest.mark.parametrize("uuid", ["1234-ABCD", "0123456789ABCDEF", "5ca1ab1e-0000-4000-8000-00000000000a"])
def test_a_uuid_is_written_as_lsblk_shows_it(uuid: str) -> None:
    assert LocalSettings(path=Path("/x"), filesystem=uuid).filesystem == uuid
    for wrong in (f"UUID={uuid}", f"{uuid}-", "", "usb"):
        with pytest.raises(ValidationError):
            LocalSettings(path=Path("/x"), filesystem=wrong)


class TestContract(TargetContract):
    @pytest.fixture
    def target(self, root: Path) -> Iterator[Local]:
        with Local("disk", LocalSettings(path=root)) as entered:
            yield entered

    @pytest.fixture
    def small_target(self, small: Path) -> Iterator[Local]:
        with Local("disk", LocalSettings(path=small)) as entered:
            yield entered

    @pytest.fixture
    def wrong_target(self, root: Path) -> Local:
        return Local("disk", LocalSettings(path=root, filesystem="0ddba11e-0000-4000-8000-00000000000b"))
