"""The demo pool: machines as somebody might find them, small in data, with the usual oddities."""

from pathlib import Path

from vmbackup.simulator import inhabitants
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.simulator import Simulator

_MIB = 1 << 20
_GIB = 1 << 30
_WINDOWS = {"name": "Microsoft Windows Server 2022 Standard", "distro": "windows", "major": "10", "minor": "0"}


def demo_pool(sim: Simulator) -> None:
    """Put four VMs and three templates into the pool; about 250 MiB of data in all."""
    sim.add_vm(
        "linux-web",
        [
            DiskSpec(256 * _MIB, seed=11, fill=0.3, name="linux-web system"),
            DiskSpec(96 * _MIB + _MIB // 2, seed=12, fill=0.2, name="linux-web data"),
        ],
        tags=["PROD", "web"],
        description="Web server of the faculty",
        memory=2 * _GIB,
        vcpus=2,
        networks=2,
    )
    windows = sim.add_vm(
        "windows-db",
        [DiskSpec(20 * _GIB, seed=13, fill=150 / (20 << 10), name="windows-db C:")],
        tags=["PROD", "database"],
        description="Database server",
        memory=8 * _GIB,
        vcpus=4,
        cd=False,
    )
    sim.add_vm(
        "archive-old",
        [DiskSpec(64 * _MIB, seed=14, fill=0.1)],
        power_state="Halted",
        tags=["ARCHIVE"],
        description="Switched off in 2019, kept for the auditors",
        networks=0,
    )
    sim.add_vm(
        "Zürich büro 東京",
        [DiskSpec(32 * _MIB + 4096, seed=15, fill=0.5)],
        tags=["DEV", "büro"],
        description='Names are hard: <&> "quoted"',
    )
    with sim.editing() as pool:
        _finish_windows(pool, windows)
        _templates(pool)


def _finish_windows(pool: Pool, uuid: str) -> None:
    vm = pool.db.by_uuid("VM", uuid)
    record = pool.db.get("VM", vm)
    (iso,) = pool.db.find("VDI", is_tools_iso=True)
    inhabitants.add_cd_drive(pool, vm, iso)
    pool.db.set("VM_guest_metrics", record["guest_metrics"], os_version=_WINDOWS)
    pool.db.set("VM", vm, HVM_boot_params={"order": "cd", "firmware": "uefi"}, has_vendor_device=True)


def _templates(pool: Pool) -> None:
    for name in ("Debian Bookworm 12", "Windows Server 2022 (64-bit)"):
        template = _machine(pool, name, {"default_template": "true"})
        pool.db.set("VM", template, is_a_template=True, is_default_template=True)
    own = _machine(pool, "faculty-debian-template", {})
    inhabitants.add_disk(pool, own, pool.record["default_SR"], DiskSpec(16 * _MIB, seed=16), 0)
    pool.db.set("VM", own, is_a_template=True)


def _machine(pool: Pool, name: str, other: dict[str, str]) -> str:
    return inhabitants.add_machine(pool, name, description="", memory=_GIB, vcpus=1, tags=(), other=other)


def serve(
    listen: str,
    data: Path,
    *,
    tls: bool = True,
    username: str = "root",
    password: str = "simulated",  # noqa: S107  the password of a pool that does not exist
) -> Simulator:
    """Run a simulator with its state in `data`, on `listen` (`ADDRESS:PORT`), and give it back running.

    A new one is filled with the demo pool. Raises ValueError for an address it cannot read and OSError when the port is
    taken.
    """
    address, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"{listen!r} is no ADDRESS:PORT")
    sim = Simulator(data, address=address or "127.0.0.1", port=int(port), tls=tls, username=username, password=password)
    try:
        if all(vm["is_control_domain"] for vm in sim.records("VM").values()):  # new, or killed before it was filled
            with sim.editing():
                demo_pool(sim)
        sim.start()
    except BaseException:
        sim.stop()
        raise
    return sim
