"""Attaching a disk to the control domain while it is streamed (attach_helpers.ml)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from vmbackup.simulator.calls.drives import free_position
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyRule, SlowDetach
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.storage_rules import attached_drives
from vmbackup.simulator.visibility import is_live


@contextmanager
def attached(
    pool: Pool, host: str, vdi: str, mode: Literal["RO", "RW"], rules: Iterable[BodyRule] = ()
) -> Iterator[None]:
    """Hold a VBD of a host's control domain on the disk while the block runs, or longer by a rule.

    One that a dead host had stays.

    Raises XapiError `VDI_IN_USE []`, as the storage layer says it, when somebody else writes to the disk, or has it at
    all and this is to write.
    """
    db = pool.db
    with db.change():
        disk = db.get("VDI", vdi)
        domain = db.get("host", host)["control_domain"]
        others = {drive["mode"] for drive in attached_drives(db, disk)}
        if "RW" in others or (others and mode == "RW"):
            raise XapiError("VDI_IN_USE")
        drive = db.create(
            "VBD",
            {
                "VM": domain,
                "VDI": vdi,
                "userdevice": free_position(db, domain),
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
        slow = [rule for rule in rules if isinstance(rule, SlowDetach)]
        if slow:
            pool.start(lambda: _detach_later(pool, host, drive, slow[0]), "slow detach")
        else:
            _detach(pool, host, drive)


def _detach_later(pool: Pool, host: str, drive: str, rule: SlowDetach) -> None:
    pool.faults.hold(rule, rule.seconds, lambda: not pool.stopping.is_set())
    _detach(pool, host, drive)


def _detach(pool: Pool, host: str, drive: str) -> None:
    with pool.db.change():
        if pool.db.has("VBD", drive) and is_live(pool.db, host):
            pool.db.delete("VBD", drive)
