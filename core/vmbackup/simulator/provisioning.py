"""What disks take of their repository: thick ones all at once, thin ones as they fill (sm: LVHDSR.py, FileSR.py)."""

from typing import Final

from vmbackup.simulator import sparse, vhd
from vmbackup.simulator.chains import parent_of
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.disks import Disks
from vmbackup.simulator.errors import XapiError

_THICK: Final = frozenset({"lvm", "lvmoiscsi", "lvmohba"})
_THIRD_API: Final = frozenset({"gfs2"})  # drivers that report a full repository by a code of xapi's own
_EXTENT = 4 << 20  # bytes by which a logical volume grows
_EMPTY_VOLUME = 8 << 20  # bytes of one that holds nothing but the tables of a VHD
_CLUSTER = 64 << 10


def is_thick(db: Database, repository: str) -> bool:
    """Say whether the repository reserves the whole size of every disk that can be written to."""
    return db.get("SR", repository)["type"] in _THICK


def supports(db: Database, repository: str, feature: str) -> bool:
    """Say whether the driver of a repository has a feature (`SM.features`)."""
    kind = db.get("SR", repository)["type"]
    return any(feature in plugin["features"] for plugin in db.table("SM").values() if plugin["type"] == kind)


def free(db: Database, repository: str) -> int:
    """Give the bytes of a repository that no disk takes."""
    return int(db.get("SR", repository)["physical_size"]) - _taken(db, repository)


def _taken(db: Database, repository: str) -> int:
    return sum(db.get("VDI", vdi)["physical_utilisation"] for vdi in db.get("SR", repository)["VDIs"])


def assert_room(db: Database, repository: str, needed: int) -> None:
    """Raise XapiError `SR_BACKEND_FAILURE_44`, or `SR_FULL [requested; maximum]`, when so many bytes do not fit."""
    available = free(db, repository)
    if needed <= available:
        return
    if db.get("SR", repository)["type"] in _THIRD_API:
        raise XapiError("SR_FULL", str(needed), str(max(0, available)))
    raise XapiError("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")


def when_made(db: Database, repository: str, size: int) -> int:
    """Give the bytes that a new empty disk of `size` bytes takes, the new leaf of a snapshot's chain included."""
    if is_thick(db, repository):
        return -(-(size + _EMPTY_VOLUME) // _EXTENT) * _EXTENT
    return -(-(2048 + 4 * vhd.entries(size)) // _CLUSTER) * _CLUSTER


def occupied(db: Database, disks: Disks, disk: Record) -> int:
    """Compute the bytes that a disk takes; what lies in its parents is not counted."""
    writable = disk["managed"] and not disk["is_a_snapshot"]
    if is_thick(db, disk["SR"]):
        if writable:
            return when_made(db, disk["SR"], disk["virtual_size"])
        held = 0 if disk["managed"] and parent_of(db, disk) else disks.allocated(disk["uuid"])
        return -(-(held + _EMPTY_VOLUME) // _EXTENT) * _EXTENT
    parent = parent_of(db, disk)
    if parent is None:
        return disks.allocated(disk["uuid"])
    own = disks.differing(disk["uuid"], db.get("VDI", parent)["uuid"], disk["virtual_size"])
    return when_made(db, disk["SR"], disk["virtual_size"]) + len(own) * sparse.VHD_BLOCK


def measure(db: Database, disks: Disks, vdi: str) -> None:
    """Write down what a disk takes by now, and its repository with it."""
    with db.change():
        disk = db.get("VDI", vdi)
        db.set("VDI", vdi, physical_utilisation=occupied(db, disks, disk))
        account(db, disk["SR"])


def assert_fitted(db: Database, repository: str) -> None:
    """Raise XapiError `VDI_IO_ERROR` when the data that came is more than a repository has room for."""
    if free(db, repository) < 0:
        raise XapiError("VDI_IO_ERROR", "Device I/O errors")


def account(db: Database, repository: str) -> None:
    """Write down what a repository's disks take and what they may take."""
    with db.change():
        disks = [db.get("VDI", vdi) for vdi in db.get("SR", repository)["VDIs"]]
        db.set(
            "SR",
            repository,
            physical_utilisation=sum(disk["physical_utilisation"] for disk in disks),
            virtual_allocation=sum(disk["virtual_size"] for disk in disks if disk["managed"]),
        )
