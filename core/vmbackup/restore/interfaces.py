"""The interfaces of a restored VM, made anew before it may start: an import changes MACs, and chooses networks."""

from collections.abc import Sequence

from vmbackup.restore.records import new_vif
from vmbackup.restore.wishes import PlannedVIF
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import text, texts


def wire_up(session: Session, vm: str, planned: Sequence[PlannedVIF]) -> None:
    """Put each interface of the halted VM on its network, with its MAC; those that are right already stay."""
    wanted = {vif.device: vif for vif in planned}
    for ref in texts(session.record("VM", vm), "VIFs"):
        vif = session.record("VIF", ref)
        wish = wanted.get(text(vif, "device"))
        if wish is None:
            continue
        right_mac = not wish.mac or wish.mac.lower() == text(vif, "MAC").lower()
        if right_mac and text(vif, "network") == wish.network.ref:
            continue
        session.call("VIF.destroy", ref)
        session.call("VIF.create", new_vif(vif, vm, wish.network.ref, wish.mac or text(vif, "MAC")))
