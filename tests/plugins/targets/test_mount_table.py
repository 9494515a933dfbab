import os
from pathlib import Path

from vmbackup_targets.mount_table import Mount, mount_id, mounts, parse

TABLE = """\
22 1 0:20 / /proc rw,nosuid shared:5 master:1 - proc proc rw
514 29 0:61 / /mnt/a\\040b\\134c rw,relatime - nfs4 nas.example.edu:/srv/x\\011y rw,vers=4.2,addr=10.1.2.3
"""


def test_a_line_is_read_with_any_number_of_tags_and_without_its_escapes() -> None:
    proc, nfs = parse(TABLE)
    assert (proc.id, proc.kind, proc.source) == (22, "proc", "proc")
    options = ("rw", "vers=4.2", "addr=10.1.2.3")
    assert nfs == Mount(514, "0:61", "/mnt/a b\\c", "nfs4", "nas.example.edu:/srv/x\ty", options)


def test_an_open_file_lies_on_one_of_the_mounts(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/proc")):
        descriptor = os.open(path, os.O_RDONLY)
        (mount,) = [mount for mount in mounts() if mount.id == mount_id(descriptor)]
        os.close(descriptor)
        device = path.stat().st_dev
        assert mount.device == f"{os.major(device)}:{os.minor(device)}"
        assert path.is_relative_to(mount.point)
