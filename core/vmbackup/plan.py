"""A job resolved against the pool's inventory: one task for each VM, and every problem at once. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vmbackup.config import Compress, Job, Keep, Selected
from vmbackup.contracts import Method
from vmbackup.copy_place import ROOM_ADVICE, need_of, place_for, shortage
from vmbackup.errors import PlanError
from vmbackup.headroom import USUAL_MARGIN, Margin, refusal
from vmbackup.models import VM, Disk, Inventory, Place
from vmbackup.results import Covered, Failure
from vmbackup.selection import Pattern, Rank, Selection, select
from vmbackup.settings import Settings

Methods = Mapping[str, Method[Settings]]


@dataclass(frozen=True, slots=True)
class Task:
    """One VM's part of a plan: how it is backed up, which of its disks, and how many backups are kept.

    `estimate` is the most that the pool will send, in bytes, before compression; `seconds` is the most that it may
    take, if there is a limit. `remarks` say what is special about this VM's backup, and no cause for worry.
    """

    vm: VM
    method: str
    disks: tuple[Disk, ...]
    keep: Keep
    estimate: int
    seconds: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job will do. `problems` are errors: a preview with any exits 2, a run reports each as failed.

    `notes` are worth knowing and no errors, such as a wildcard that matches nothing.
    """

    job: str
    targets: tuple[str, ...]
    compress: Compress | None
    tasks: tuple[Task, ...]
    problems: tuple[Failure, ...]
    notes: tuple[str, ...]
    inventory: tuple[Covered, ...]


def make_plan(name: str, job: Job, inventory: Inventory, methods: Methods, margin: Margin = USUAL_MARGIN) -> Plan:
    """Resolve a job. Each VM has one task at most; what cannot be resolved is a problem, and the rest goes on.

    Where the storage should be spared a snapshot by `margin`, a note says so: it is looked at again when the VM's turn
    has come.
    """
    entries = [Pattern(entry.match) for entry in job.vms]
    excludes = [Pattern(entry.match) for entry in job.exclude]
    selection = select(entries, excludes, inventory.vms)
    names = Counter(vm.name for vm in inventory.vms)
    tasks: list[Task] = []
    problems: list[Failure] = []
    copies = _Copies(name, inventory, margin)
    for vm in inventory.vms:
        if vm.uuid not in selection.taken:
            continue
        entry = job.vms[selection.taken[vm.uuid]]
        if names[vm.name] > 1 and Pattern(entry.match).rank is Rank.NAME:
            count = names[vm.name]
            problems.append(_problem(f"{vm.name!r} is the name of {count} VMs", "Name each as uuid:… instead."))
            continue
        try:
            method = entry.method or job.method
            _check_packing(job.compress, methods[method])
            task = _task(vm, method, entry, job, methods)
            copies.add(task, methods[method].keeps_copy_on(vm))
            tasks.append(task)
        except PlanError as error:
            problems.append(Failure("plan", error.code, f"{vm.name}: {error.message}", error.advice, error.exit_code))
    for vm, tied in selection.ties:
        both = " and ".join(repr(job.vms[index].match) for index in tied)
        problems.append(_problem(f"{vm.name}: {both} fit equally well", "Make one of them more precise."))
    missing = [entries[index] for index in selection.idle if entries[index].literal]
    problems += [_problem(f"there is no VM {entry.text!r} in the pool") for entry in missing]
    if not tasks and not problems:
        problems.append(_problem("the job takes no VM of this pool", "`vmbackup preview` says what matches nothing."))
    notes = [f"{entries[index].text!r} matches no VM" for index in selection.idle if not entries[index].literal]
    notes += _notes(tasks, names, entries, excludes, inventory)
    notes += [*_refusals(tasks, methods, margin), *copies.notes]
    covered = tuple(_covered(vm, selection, excludes) for vm in inventory.vms)
    unique = tuple(dict.fromkeys(problems))
    return Plan(name, job.targets, job.compress, tuple(tasks), unique, tuple(notes), covered)


def _covered(vm: VM, selection: Selection, excludes: Sequence[Pattern]) -> Covered:
    return Covered(
        vm=vm.name,
        uuid=vm.uuid,
        taken=vm.uuid in selection.taken,
        excluded=any(exclude.matches(vm) for exclude in excludes),
        chain=max((disk.chain for disk in vm.disks), default=None),
    )


class _Copies:
    """The copies of VMs that a job will leave in the pool, one after the other as the plan grows."""

    def __init__(self, job: str, inventory: Inventory, margin: Margin) -> None:
        self._job = job
        self._inventory = inventory
        self._margin = margin
        self._taken: Counter[Place] = Counter()
        self.notes: list[str] = []

    def add(self, task: Task, wanted: str | None) -> None:
        """Count in the copy that the backup of a VM leaves on the SR `wanted`. Raises PlanError if that cannot be.

        Where one stands already, the new one needs its room only until that one goes.
        """
        if wanted is None:
            return
        place = place_for(wanted, task.disks, self._inventory.places)
        need, taken = need_of(task.disks, place), self._taken[place]
        if lacking := shortage(need.least, place, self._margin, taken):
            raise PlanError(lacking, advice=ROOM_ADVICE)
        if lacking := shortage(need.most, place, self._margin, taken):
            self.notes.append(f"{task.vm.name}: once all disks are full, {lacking}")
        if (self._job, task.vm.uuid) not in self._inventory.copied:
            self._taken[place] += need.least


def _notes(
    tasks: Sequence[Task],
    names: Mapping[str, int],
    entries: Sequence[Pattern],
    excludes: Sequence[Pattern],
    inventory: Inventory,
) -> list[str]:
    """Say what is no error and may surprise all the same."""
    notes = [
        f"{count} VMs are called {name!r}; each is backed up in a folder of its own"
        for name, count in names.items()
        if count > 1 and sum(task.vm.name == name for task in tasks) > 1
    ]
    for exclude in excludes:
        out = [vm for vm in inventory.vms if exclude.matches(vm)]
        if not out:
            notes.append(f"the exclude {exclude.text!r} matches no VM")
        notes += [
            f"{vm.name!r} is named by {entry.text!r}, but the exclude {exclude.text!r} leaves it out"
            for vm in out
            for entry in entries
            if entry.literal and entry.matches(vm)
        ]
    return notes


def _refusals(tasks: Sequence[Task], methods: Methods, margin: Margin) -> list[str]:
    """Say which snapshots would not be asked for if their turn came now."""
    refused = ((task.vm.name, refusal(methods[task.method].snapshots(task.vm), margin)) for task in tasks)
    return [f"{name}: no snapshot as things stand: {why[0]}" for name, why in refused if why]


def _task(vm: VM, label: str, entry: Selected, job: Job, methods: Methods) -> Task:
    method = methods[label]
    disks, seconds = method.disks(vm), entry.max_duration
    remarks = tuple(_remarks(vm, direct=bool(disks) and not method.snapshots(vm)))
    return Task(vm, label, disks, entry.keep or job.keep, method.estimate(vm), seconds, remarks)


def _remarks(vm: VM, *, direct: bool) -> Iterator[str]:
    """Say what is special about a VM's backup."""
    for disk in vm.disks:
        if disk.unwanted:
            yield f"the disk {disk.name!r} is left out, as its name asks for"
    if direct:
        yield "is halted, and exported without a snapshot; it cannot be started until that is done"
    if vm.power_state == "Suspended":
        yield "is suspended: its memory is not in the backup, and a restored VM starts as after a power cut"
    for disc in vm.discs:
        yield f"the ISO {disc!r} in its CD drive is not in the backup"
    if vm.secrets:
        yield f"its backup holds secrets of the VM: {', '.join(vm.secrets)}"


def _check_packing(compress: Compress | None, method: Method[Settings]) -> None:
    if compress and compress.when == "host" and compress.with_ not in method.packings:
        raise PlanError(
            f"a host cannot compress a {method.name} with {compress.with_}", advice='Use when = "during" instead.'
        )


def _problem(message: str, advice: str = "") -> Failure:
    return Failure("plan", "PlanError", message, advice, PlanError.exit_code)
