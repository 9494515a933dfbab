import pytest

from vmbackup_targets.mount_table import Mount
from vmbackup_targets.nfs.share import Share

SHARE = Share("nas.example.edu", "/srv/backups")
ADDRESSES = frozenset({"10.1.2.3", "fd00::3"})


def mount(source: str = "nas.example.edu:/srv/backups", kind: str = "nfs4", *options: str) -> Mount:
    return Mount(1, "0:61", "/mnt", kind, source, options)


def test_an_address_of_version_6_stands_in_brackets() -> None:
    assert SHARE.source == "nas.example.edu:/srv/backups"
    assert Share("fd00::3", "/").source == "[fd00::3]:/"


@pytest.mark.parametrize(
    "found",
    [
        mount(),
        mount(kind="nfs"),
        mount("NAS.example.edu:/srv/backups/"),
        mount("nas:/srv/backups", "nfs", "vers=3", "addr=10.1.2.3"),
        mount("[fd00::3]:/srv/backups", "nfs4", "addr=fd00::3"),
    ],
)
def test_a_mount_of_this_export_is_taken(found: Mount) -> None:
    assert SHARE.objection(found, "0:61", ADDRESSES) == ""


@pytest.mark.parametrize(
    ("found", "device", "reason"),
    [
        (mount("/dev/sda1", "ext4"), "0:61", "no NFS is mounted there; the folder lies on /dev/sda1 (ext4)"),
        (mount("nas.example.edu:/srv/backups", "cifs"), "0:61", "no NFS"),
        (mount("other:/srv/backups", "nfs", "addr=10.9.9.9"), "0:61", "not of nas.example.edu"),
        (mount("nas.example.edu:/srv/backups2"), "0:61", "and not /srv/backups"),
        (mount("nas.example.edu:/srv/backups/part"), "0:61", "and not /srv/backups"),
        (mount("nas.example.edu:/"), "0:61", "and not /srv/backups"),
        (mount(), "8:1", "on the device 8:1"),
    ],
)
def test_anything_else_is_refused_and_named(found: Mount, device: str, reason: str) -> None:
    assert reason in SHARE.objection(found, device, ADDRESSES)


def test_the_root_of_a_server_is_an_export_too() -> None:
    assert Share("nas", "/").objection(mount("nas:/"), "0:61", ()) == ""
