"""Calls on the disc in a CD drive (xapi_vbd.ml)."""

from typing import Final

from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.schema import NULL

TABLE: Final = Table()


def _assert_removable(db: Database, vbd: str) -> None:
    if db.get("VBD", vbd)["type"] != "CD":
        raise XapiError("VBD_NOT_REMOVABLE_MEDIA", vbd)


@TABLE.call("VBD.eject", "VBD ref", asynchronous=True)
def eject(context: Context, vbd: str) -> None:
    """Take the disc out."""
    db = context.pool.db
    with db.change():
        _assert_removable(db, vbd)
        if db.get("VBD", vbd)["empty"]:
            raise XapiError("VBD_IS_EMPTY", vbd)
        db.set("VBD", vbd, empty=True, VDI=NULL)


@TABLE.call("VBD.insert", "VBD ref", "VDI ref", asynchronous=True)
def insert(context: Context, vbd: str, vdi: str) -> None:
    """Put a disc in."""
    db = context.pool.db
    with db.change():
        _assert_removable(db, vbd)
        if not db.get("VBD", vbd)["empty"]:
            raise XapiError("VBD_NOT_EMPTY", vbd)
        disc = db.get("VDI", vdi)
        content = db.get("SR", disc["SR"])["content_type"]
        if content != "iso":
            raise XapiError("VDI_IS_NOT_ISO", vdi, content)
        db.set("VBD", vbd, empty=False, VDI=vdi)
