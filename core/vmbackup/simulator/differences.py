"""What a differencing VHD holds: the blocks in which two disks of one chain differ (vhd-tool impl.ml)."""

import uuid as uuids

from vmbackup.simulator import chains, vhd
from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import Disks
from vmbackup.simulator.errors import internal_error


def changed_blocks(db: Database, disks: Disks, vdi: str, base: str) -> list[int]:
    """Give the blocks of 2 MiB of a disk that are not those of its base; of another chain's disk, all that either has.

    Raises XapiError for disks that are no VHDs.
    """
    new, old = db.get("VDI", vdi), db.get("VDI", base)
    if any(disk["sm_config"].get("vdi_type") in {"raw", "aio"} for disk in (new, old)):
        raise internal_error("Failure: Cannot compute differences on non-VHD images")
    last = vhd.entries(new["virtual_size"])
    if new["SR"] == old["SR"] and chains.root(db, vdi) == chains.root(db, base):
        found = disks.differing(new["uuid"], old["uuid"], new["virtual_size"])
    else:
        found = sorted({block for disk in (new, old) for block in disks.occupied_blocks(disk["uuid"])})
    return [block for block in found if block < last]


def parent(db: Database, base: str) -> vhd.Parent:
    """Give what a difference to a disk says of it: names that mean nothing outside the control domain."""
    record = db.get("VDI", base)
    path = f"/var/run/sr-mount/{db.get('SR', record['SR'])['uuid']}/{record['uuid']}.vhd"
    return vhd.Parent(uuids.uuid5(uuids.NAMESPACE_OID, record["uuid"]), path)
