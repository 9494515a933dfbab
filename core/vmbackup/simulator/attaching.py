"""Attaching a disk to the control domain while it is streamed (attach_helpers.ml)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from vmbackup.simulator.calls.drives import free_position
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.storage_rules import attached_drives


@contextmanager
def attached(pool: Pool, vdi: str, mode: Literal["RO", "RW"]) -> Iterator[None]:
    """Hold a VBD of the control domain on the disk while the block runs.

    Raises XapiError `VDI_IN_USE []`, as the storage layer says it, when somebody else writes to the disk, or has it at
    all and this is to write.
    """
    db = pool.db
    with db.change():
        disk = db.get("VDI", vdi)
        others = {drive["mode"] for drive in attached_drives(db, disk)}
        if "RW" in others or (others and mode == "RW"):
            raise XapiError("VDI_IN_USE")
        drive = db.create(
            "VBD",
            {
                "VM": pool.control_domain,
                "VDI": vdi,
                "userdevice": free_position(db, pool.control_domain),
                "device": f"sm/backend/{db.get('SR', disk['SR'])['uuid']}/{disk['uuid']}",
                "bootable": False,
                "mode": mode,
                "type": "Disk",
                "empty": False,
                "currently_attached": True,
            },
        )
    try:
        yield
    finally:
        with db.change():
            if db.has("VBD", drive):
                db.delete("VBD", drive)
