"""Calls on networks (xapi_network.ml). One without a PIF leads nowhere: VMs on it reach each other on one host."""

import itertools
from typing import Final

from vmbackup.simulator.calls.records import constructor
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.database import Record
from vmbackup.simulator.errors import XapiError

TABLE: Final = Table()
_LONGEST_BRIDGE: Final = 15  # characters
_BRIDGES_OF_THE_POOL: Final = ("xen", "xapi", "vif", "tap", "eth")
_MTU: Final = 1500


@TABLE.call("network.create", "record network", result="network ref", asynchronous=True)
def create(context: Context, given: Record) -> str:
    """Make a network that leads nowhere; the pool names its bridge unless one is given."""
    db = context.pool.db
    fields = constructor("network", given)
    with db.change():
        taken = {network["bridge"] for network in db.table("network").values()}
        bridge = fields.get("bridge", "")
        if not bridge:
            bridge = next(name for number in itertools.count() if (name := f"xapi{number}") not in taken)
        elif len(bridge) > _LONGEST_BRIDGE or bridge.startswith(_BRIDGES_OF_THE_POOL):
            raise XapiError("INVALID_VALUE", "bridge", bridge)
        elif bridge in taken:
            raise XapiError("BRIDGE_NAME_EXISTS", bridge)
        return db.create("network", {**fields, "bridge": bridge, "MTU": max(0, fields.get("MTU", 0)) or _MTU})


@TABLE.call("network.destroy", "network ref", asynchronous=True)
def destroy(context: Context, network: str) -> None:
    """Destroy a network that no PIF and no plugged interface is on; the interfaces of halted VMs go with it."""
    db = context.pool.db
    with db.change():
        record = db.get("network", network)
        if plugged := [vif for vif in record["VIFs"] if db.get("VIF", vif)["currently_attached"]]:
            raise XapiError("NETWORK_CONTAINS_VIF", *plugged)
        if record["PIFs"]:
            raise XapiError("NETWORK_CONTAINS_PIF", *record["PIFs"])
        for vif in record["VIFs"]:
            db.delete("VIF", vif)
        db.delete("network", network)
