import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.plugins.targets.disks import Disk

from vmbackup_targets.filesystem import FileSystem, holding


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_disk_is_known_by_its_uuid_from_any_folder_on_it(disk: Disk) -> None:
    (disk.folder / "a/b").mkdir(parents=True)
    with opened(disk.folder / "a/b") as descriptor:
        assert holding(descriptor) == FileSystem(disk.device, "ext4", str(disk.folder), disk.uuid)


def test_what_is_mounted_over_a_folder_does_not_matter_to_who_has_it_open(disk: Disk) -> None:
    with opened(disk.folder.parent) as descriptor:
        above = holding(descriptor)
    with opened(disk.folder) as descriptor:
        assert above.uuid != disk.uuid == holding(descriptor).uuid
        disk.detach()
        left = holding(descriptor)
        assert (left.uuid, left.place) == (disk.uuid, "nowhere")
    with opened(disk.folder) as descriptor:
        assert holding(descriptor) == above


def test_a_file_system_without_a_uuid_is_looked_for_among_the_links_of_its_device(tmp_path: Path) -> None:
    """As on a kernel that does not tell; /proc is a file system that has no UUID and no device."""
    (tmp_path / "1234-ABCD").symlink_to("/dev/null")
    with opened(Path("/proc")) as descriptor:
        assert holding(descriptor, tmp_path) == FileSystem("proc", "proc", "/proc", "")
        assert holding(descriptor, tmp_path / "absent").uuid == ""


def test_the_links_are_asked_where_the_kernel_does_not_say(nameless_disk: Disk, tmp_path: Path) -> None:
    links = tmp_path / "by-uuid"
    links.mkdir()
    (links / "0000-0000").symlink_to("/dev/null")
    (links / "0000-0001").symlink_to("/dev/pulled-out")
    (links / "1234-ABCD").symlink_to(nameless_disk.device)
    with opened(nameless_disk.folder) as descriptor:
        assert holding(descriptor, links).uuid == "1234-ABCD"
        (links / "1234-ABCD").unlink()
        assert holding(descriptor, links).uuid == ""


def test_a_mount_point_may_have_a_space_in_its_name(disk: Disk) -> None:
    assert " " in disk.folder.name
    with opened(disk.folder) as descriptor:
        assert holding(descriptor).place == str(disk.folder)
