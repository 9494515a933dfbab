"""What every method promises, one function each: it takes the method, and a simulated site whose pool has no VMs yet.

A promise raises PromiseBroken where the method does something else.
"""

from collections.abc import Callable, Collection, Mapping

from vmbackup.conformance.holding import PromiseBroken, require, taken
from vmbackup.contracts import Method
from vmbackup.errors import PlanError
from vmbackup.models import VM
from vmbackup.results import Backup, Report
from vmbackup.settings import Settings
from vmbackup.simulator import CallFails, Cut, DiskSpec, ErrorInBody, TaskFails
from vmbackup.simulator.faults import Rule
from vmbackup.testing.site import Records, SimulatedSite
from vmbackup.xapi.inventory import read_inventory, read_pool
from vmbackup.xapi.standing import standing
from vmbackup.xapi.wire import texts

MethodPromise = Callable[[Method[Settings], SimulatedSite], None]
MIB = 1 << 20
HANDLERS = ("/export", "/export_raw_vdi")
SNAPSHOTS = ("VM.snapshot", "VDI.snapshot")
HOSTILE = '../../x "$(reboot)" \x1b[2J <&> büro 東京'


def plans_with_the_disks_of_the_vm(method: Method[Settings], site: SimulatedSite) -> None:
    """What it would back up and snapshot are disks of the VM, the same however often it is asked, and told in bytes."""
    inhabit(site)
    for vm in _vms(site).values():
        disks = _disks(method, vm)
        if disks is None:
            continue
        require(set(disks) <= set(vm.disks), f"of {vm.name!r} it would back up disks that are none of the VM's")
        require(set(method.snapshots(vm)) <= set(disks), f"of {vm.name!r} it would snapshot what it does not back up")
        require(method.disks(vm) == disks, f"of {vm.name!r} it would back up other disks when it is asked again")
        require(method.estimate(vm) >= 0, f"of {vm.name!r} it expects less than nothing")


def backs_up_or_says_why_not(method: Method[Settings], site: SimulatedSite) -> None:
    """Each VM, running, halted, suspended, paused or odd, is backed up and proven, or refused beforehand."""
    inhabit(site)
    vms = _vms(site)
    site.use(method)
    report = site.run()
    _require_backed_up(method, report, vms)
    for backup in site.backups():
        verdict = site.verify(backup)
        require(verdict.good, f"{backup.address} does not verify: {verdict.wrong}")


def holds_the_disks_that_it_names(method: Method[Settings], site: SimulatedSite) -> None:
    """A backup holds the disks that the method has named beforehand, and no others."""
    inhabit(site)
    vms = _vms(site)
    site.use(method)
    site.run()
    for backup in site.backups():
        vm = vms[_name(backup)]
        image = backup.manifest.image
        held = sorted(disk.original_uuid for disk in image.disks) if image else []
        named = sorted(disk.uuid for disk in method.disks(vm))
        require(held == named, f"the backup of {vm.name!r} holds {held}, and the method has named {named}")


def comes_back_as_it_was(method: Method[Settings], site: SimulatedSite) -> None:
    """A backup is restored, and each disk is, byte for byte, what the pool held when it was snapshotted."""
    inhabit(site)
    vms = _vms(site)
    site.use(method)
    _require_backed_up(method, site.run(), vms)
    for number, backup in enumerate(site.backups()):
        with taken(f"the restore of {backup.address}"):
            restored = site.restore(backup, f"restored {number}")
        require(site.same(backup, restored), f"{backup.address} is restored with other bytes than the pool held")


def leaves_the_pool_as_it_was(method: Method[Settings], site: SimulatedSite) -> None:
    """A run changes nothing in the pool and leaves nothing there, but the copies that the method says it keeps."""
    inhabit(site)
    keeping = {vm.uuid for vm in _vms(site).values() if method.keeps_copy_on(vm) is not None}
    before = site.records()
    site.use(method)
    report = site.run()
    after, _ = without_copies(site.records(), keeping)
    require(before == after, f"the pool is not what it was: {_difference(before, after)}")
    left = [warning.message for warning in report.all_warnings if warning.step == "cleanup"]
    require(not left, f"something could not be removed: {left}")


def keeps_one_proven_copy(method: Method[Settings], site: SimulatedSite) -> None:
    """Of a VM whose copy it keeps there is one, halted and with all bytes, once a backup is proven, whatever fails."""
    site.pool.add_vm("web", [DiskSpec(5 * MIB, seed=1, fill=0.7), DiskSpec(MIB, seed=2)], power_state="Halted")
    vm = _vms(site)["web"]
    if method.keeps_copy_on(vm) is None:
        return
    named = {disk.uuid for disk in method.disks(vm)}
    site.use(method)
    before = site.records()
    stood: set[str] = set()
    for wrong in (False, True, False):
        site.pool.faults.clear()
        for path in HANDLERS if wrong else ():
            site.pool.faults.add(Cut(path=path, nth=None, after=MIB, task="success"))
        report = site.run()
        require((report.failed > 0) == wrong, f"the run should have {'failed' if wrong else 'succeeded'}")
        rest, copies = without_copies(site.records(), {vm.uuid})
        require(rest == before, f"beside the copy the pool is not what it was: {_difference(before, rest)}")
        require(len(copies["VM"]) == 1, f"{len(copies['VM'])} copies stand after a run")
        (copy,) = copies["VM"].values()
        require(copy["power_state"] == "Halted", f"the copy is {copy['power_state']}")
        require((copies["VM"].keys() == stood) == wrong, "an old copy stays when the next one fails, and only then")
        stood = set(copies["VM"])
        held = [str(disk["uuid"]) for disk in copies["VDI"].values()]
        same = [one for one in named if any(site.pool.same(one, other) for other in held)]
        require(len(held) == len(same) == len(named), "the copy holds something else than the disks of the VM")


def fails_cleanly(method: Method[Settings], site: SimulatedSite) -> None:
    """Whatever goes wrong, a snapshot or an export, the VM has failed: no backup, and nothing is left behind."""
    site.pool.add_vm("web", [DiskSpec(5 * MIB, seed=1, fill=0.7), DiskSpec(3 * MIB, seed=2, fill=0.7)])
    site.use(method)
    before = site.records()
    (vm,) = _vms(site).values()
    for what, rules in _faults(copies=method.keeps_copy_on(vm) is not None).items():
        site.pool.faults.clear()
        for rule in rules:
            site.pool.faults.add(rule)
        report = site.run()
        good = any(outcome.backup for result in report.results for outcome in result.outcomes)
        require(report.failed > 0, f"{what}, and the run says that all is good")
        require(not good and not site.backups(), f"{what}, and there is a backup")
        require(site.records() == before, f"{what}, and the pool is not what it was")
    site.pool.faults.clear()


def has_the_host_compress(method: Method[Settings], site: SimulatedSite) -> None:
    """With each compression that `packings` has, the host compresses, and the backup says so and comes back."""
    site.pool.add_vm("web", [DiskSpec(5 * MIB, seed=1, fill=0.7)])
    site.use(method)
    for number, packing in enumerate(sorted(method.packings), 1):
        site.configure(more=f'compress = {{ with = "{packing}", when = "host" }}')
        report = site.run()
        require(report.failed == 0, f"with {packing}: {_failures(report)}")
        backup = max(site.backups(), key=lambda one: one.manifest.started)
        file = backup.manifest.image_file
        packed = (file.compressor, file.packed_by) if file else None
        require(packed == (packing, "host"), f"the host was asked for {packing}, and the backup says {packed}")
        require(site.verify(backup).good, f"what the host compressed by {packing} does not verify")
        with taken(f"the restore of {backup.address}"):
            restored = site.restore(backup, f"restored {number}")
        require(site.same(backup, restored), f"what the host compressed by {packing} comes back with other bytes")


METHOD_PROMISES: tuple[MethodPromise, ...] = (
    plans_with_the_disks_of_the_vm,
    backs_up_or_says_why_not,
    holds_the_disks_that_it_names,
    comes_back_as_it_was,
    leaves_the_pool_as_it_was,
    keeps_one_proven_copy,
    fails_cleanly,
    has_the_host_compress,
)
"""Those of every method."""


def inhabit(site: SimulatedSite) -> None:
    """Put VMs of every kind into the pool: in each power state, with odd disks or none, and with a hostile name."""
    pool = site.pool
    pool.add_vm("running", [DiskSpec(5 * MIB, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)])
    for number, state in enumerate(("Halted", "Suspended", "Paused"), 3):
        pool.add_vm(state.lower(), [DiskSpec(2 * MIB, seed=number, fill=0.7)], power_state=state)
    pool.add_vm("unwanted", [DiskSpec(2 * MIB, seed=7, name="system"), DiskSpec(2 * MIB, seed=8, name="data [NOBAK]")])
    pool.add_vm("diskless")
    pool.add_vm(HOSTILE, [DiskSpec(MIB + 4096, seed=9, fill=1.0, name=HOSTILE)], description=HOSTILE, tags=[HOSTILE])
    pool.add_vm("secret", [DiskSpec(2 * MIB, seed=10)], nvram={"EFI-variables": "c2VjcmV0"})


def _vms(site: SimulatedSite) -> Mapping[str, VM]:
    with site.session() as session:
        return {vm.name: vm for vm in read_inventory(session, read_pool(session)).vms}


def _disks(method: Method[Settings], vm: VM) -> tuple[object, ...] | None:
    """Return the disks that a backup of `vm` would hold, or None where the method refuses it."""
    try:
        return method.disks(vm)
    except PlanError as error:
        require(bool(error.message), f"{vm.name!r} is refused without a reason")
        return None
    except Exception as error:
        raise PromiseBroken(f"of {vm.name!r} it raised {type(error).__name__}; PlanError is due: {error}") from error


def _require_backed_up(method: Method[Settings], report: Report, vms: Mapping[str, VM]) -> None:
    wanted = {name for name, vm in vms.items() if _disks(method, vm) is not None}
    require(bool(wanted), "it backs up no VM at all")
    good = {result.vm for result in report.results if result.good}
    require(good == wanted, f"it would back up {sorted(wanted)}, and has {sorted(good)}: {_failures(report)}")


def _faults(*, copies: bool) -> Mapping[str, tuple[Rule, ...]]:
    """Return what goes wrong, wherever a method asks for its snapshots, its copies and its image."""
    refused = {"the pool refused a copy": (CallFails(method="VM.copy", nth=None, code="SR_FULL"),)}
    return (refused if copies else {}) | {
        "the pool refused a snapshot": tuple(
            CallFails(method=call, nth=None, code="SR_BACKEND_FAILURE_44", params=("", "no space", ""))
            for call in SNAPSHOTS
        ),
        "the image ended early, and the pool's task was good": tuple(
            Cut(path=path, nth=None, after=MIB, task="success") for path in HANDLERS
        ),
        "the pool wrote an error into the image": tuple(
            ErrorInBody(path=path, nth=None, after=MIB) for path in HANDLERS
        ),
        "the pool's task failed": tuple(TaskFails(path=path, nth=None) for path in HANDLERS),
    }


def _failures(report: Report) -> str:
    found = [*report.failures]
    found += [outcome.failure for result in report.results for outcome in result.outcomes if outcome.failure]
    return "; ".join(f"{failure.step}: {failure.message}" for failure in found) or "nothing failed"


def without_copies(records: Records, keeping: Collection[str]) -> tuple[Records, Records]:
    """Part the copies that stand of the VMs in `keeping` (UUIDs), with all that belongs to them, from the rest."""
    marks = {ref: standing(vm) for ref, vm in records["VM"].items()}
    vms = {ref for ref, mark in marks.items() if mark and mark.vm in keeping}
    drives = [vbd for vbd in records["VBD"].values() if vbd["VM"] in vms and vbd["type"] != "CD"]
    disks = {vbd["VDI"] for vbd in drives}

    def belongs(kind: str, ref: str, record: dict[str, object]) -> bool:
        return ref in (vms if kind == "VM" else disks) if kind in {"VM", "VDI"} else record.get("VM") in vms

    copies: Records = {
        kind: {ref: record for ref, record in found.items() if belongs(kind, ref, record)}
        for kind, found in records.items()
    }
    rest: Records = {
        kind: {ref: record for ref, record in found.items() if ref not in copies[kind]}
        for kind, found in records.items()
    }
    for ref, record in rest["SR"].items():
        rest["SR"][ref] = {**record, "VDIs": [vdi for vdi in texts(record, "VDIs") if vdi not in disks]}
    return rest, copies


def _difference(before: Records, after: Records) -> str:
    found = []
    for kind, records in before.items():
        found += [f"{kind} {ref} is gone" for ref in records.keys() - after[kind].keys()]
        found += [f"{kind} {after[kind][ref]} is new" for ref in after[kind].keys() - records.keys()]
        for ref in records.keys() & after[kind].keys():
            keys = [key for key, value in records[ref].items() if after[kind][ref].get(key) != value]
            found += [f"{kind} {ref}: {', '.join(keys)}"] if keys else []
    return "; ".join(found)


def _name(backup: Backup) -> str:
    return backup.manifest.vm.name if backup.manifest.vm else ""
