"""The agent in a guest: it reports some time after the start, if disk 0 holds what a guest boots from.

What that is (`Bootable`): the contents that the disk of a VM was made with, what a snapshot caught of the disk of a
guest that was up, and what such a guest left behind when its VM halted. Of a VM with other contents, or without a disk
at that place, the host only knows that it runs.
"""

from ipaddress import IPv4Address

from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import NULL


def is_up(db: Database, vm: str) -> bool:
    """Say whether the guest in a VM has booted and reports."""
    record = db.table("VM").get(vm)
    if record is None or record["is_a_snapshot"] or record["power_state"] == "Halted":
        return False
    return db.has("VM_guest_metrics", record["guest_metrics"])


def report(pool: Pool, vm: str) -> None:
    """Have the guest of a VM report."""
    db = pool.db
    with db.change():
        facts = {**_FACTS, "networks": _addresses(pool, vm), "last_updated": pool.clock.now()}
        db.set("VM", vm, guest_metrics=db.create("VM_guest_metrics", facts))


def notice_networks(pool: Pool, vm: str) -> None:
    """Have a guest that is up report its addresses anew."""
    db = pool.db
    if is_up(db, vm):
        db.set("VM_guest_metrics", db.get("VM", vm)["guest_metrics"], networks=_addresses(pool, vm))


def boot(pool: Pool, vm: str) -> None:
    """Begin to boot what is on a running VM's disk; until a guest is up nobody writes there."""
    with pool.db.change():
        pool.guests.rest(vm)
        domain = pool.db.get("VM", vm)["domid"]
    pool.start(lambda: _come_up(pool, vm, domain), "a guest that boots")


def _come_up(pool: Pool, vm: str, domain: int) -> None:
    if pool.stopping.wait(pool.settings.boot_seconds) or not _boots(pool, vm):
        return
    with pool.db.change():
        record = pool.db.table("VM").get(vm)
        if record is None or (record["power_state"], record["domid"]) != ("Running", domain) or is_up(pool.db, vm):
            return
        report(pool, vm)
        pool.guests.wake(vm)


def _boots(pool: Pool, vm: str) -> bool:
    disk = _system_disk(pool.db, vm)
    try:
        return disk is not None and pool.bootable.knows(pool.disks.fingerprint(disk["uuid"]))
    except FileNotFoundError:  # destroyed meanwhile
        return False


def forget(db: Database, vm: str) -> None:
    """Remove what a guest reported."""
    with db.change():
        metrics = db.get("VM", vm)["guest_metrics"]
        db.set("VM", vm, guest_metrics=NULL)
        if db.has("VM_guest_metrics", metrics):
            db.delete("VM_guest_metrics", metrics)


def still(pool: Pool, vm: str) -> None:
    """Have a VM's guest write no more until it is woken; guests boot from what it leaves on its disk.

    Not to be called under the database's lock.
    """
    with pool.db.change():
        pool.guests.rest(vm)
        disk = _system_disk(pool.db, vm) if is_up(pool.db, vm) else None
    pool.guests.wait_for_writes()
    if disk is not None:
        pool.bootable.learn(pool.disks.fingerprint(disk["uuid"]))


def leave(pool: Pool, vm: str) -> None:
    """End the guest of a VM that is about to halt, as `still` does; it reports no more."""
    still(pool, vm)
    forget(pool.db, vm)


def remember(pool: Pool, vdi: str, copy: str) -> None:
    """Let guests boot from a copy (a uuid) of a disk, if that is the system disk of a guest that is up."""
    db = pool.db
    with db.changed:
        drives = [db.get("VBD", vbd) for vbd in db.get("VDI", vdi)["VBDs"]]
        up = any(drive["userdevice"] == "0" and is_up(db, drive["VM"]) for drive in drives)
    if up:
        pool.bootable.learn(pool.disks.fingerprint(copy))


def _system_disk(db: Database, vm: str) -> Record | None:
    with db.changed:
        record = db.table("VM").get(vm)
        drives = [db.get("VBD", vbd) for vbd in record["VBDs"]] if record else []
        disks = [drive["VDI"] for drive in drives if drive["type"] == "Disk" and drive["userdevice"] == "0"]
        return next((db.get("VDI", vdi) for vdi in disks if db.has("VDI", vdi)), None)


def _addresses(pool: Pool, vm: str) -> dict[str, str]:
    """Give the addresses of a guest: one of DHCP's where a network leads to a wire, else the one it gives itself."""
    db, first = pool.db, IPv4Address(pool.settings.dhcp)
    found: dict[str, str] = {}
    for vif in db.get("VM", vm)["VIFs"]:
        card = db.get("VIF", vif)
        number = card["device"]
        if not card["currently_attached"]:
            continue
        if db.get("network", card["network"])["PIFs"]:
            found |= dict.fromkeys((f"{number}/ip", f"{number}/ipv4/0"), str(first + int(number)))
        else:
            found[f"{number}/ipv6/0"] = _link_local(card["MAC"])
    return found


def _link_local(mac: str) -> str:
    first, *rest = (int(octet, 16) for octet in mac.split(":"))
    octets = [first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]
    pairs = [f"{high << 8 | low:x}" for high, low in zip(octets[::2], octets[1::2], strict=True)]
    return f"fe80::{':'.join(pairs)}"


_FACTS: Record = {
    "os_version": {"name": "Debian GNU/Linux 12", "uname": "6.1.0-18-amd64", "distro": "debian", "major": "12"},
    "PV_drivers_version": {"major": "7", "minor": "30", "micro": "0", "build": "1"},
    "PV_drivers_up_to_date": True,
    "PV_drivers_detected": True,
    "other": {"feature-shutdown": "1", "feature-suspend": "1", "feature-reboot": "1"},
    "live": True,
    "can_use_hotplug_vbd": "yes",
    "can_use_hotplug_vif": "yes",
}
