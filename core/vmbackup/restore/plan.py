"""What a restore is going to do, decided before the first byte from the backup, the pool and the wishes. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from vmbackup.disk_choice import choose
from vmbackup.errors import ConfigError, PlanError
from vmbackup.images import Ova
from vmbackup.manifest import Image
from vmbackup.restore.cautions import cautions, incompatible, unfit
from vmbackup.restore.placing import old_sr, place, unplaced
from vmbackup.restore.room import crowded
from vmbackup.restore.wiring import interfaces, on, unwired, wire
from vmbackup.restore.wishes import PlannedDisk, PlannedVIF, RestorePlan, Way, Wishes
from vmbackup.results import Backup, Failure
from vmbackup.xapi.surroundings import Neighbour, Network, Surroundings

T = TypeVar("T")
Problems = list[ConfigError]


@dataclass(frozen=True, slots=True)
class _Case:
    backup: Backup
    image: Image
    ova: Ova
    pool: Surroundings
    wishes: Wishes
    only: Network | None


def plan_restore(
    backup: Backup, ova: Ova, pool: Surroundings, wishes: Wishes, only: Network | None = None
) -> RestorePlan:
    """Decide how `backup`, which has an image, comes back, with every problem at once.

    All its interfaces are on the network `only` where there is one, whatever is wished.
    """
    image, problems = backup.manifest.image, Problems()
    assert image is not None  # noqa: S101 - the caller has looked
    case = _Case(backup, image, ova, pool, wishes, only)
    disks = _place(case, problems)
    way = _way(image, disks, wishes)
    host = _try(problems, lambda: find_host(pool, wishes.vm or "", disks)) if wishes.vm is not None else None
    vifs = _wire(case, problems) if way != "disk" else ()
    problems += _contradictions(image, wishes, way, host)
    sent = [planned.disk for planned in disks]
    problems += [ConfigError(message, advice=advice) for message, advice in unfit(image, sent, way)]
    name = wishes.name or (backup.manifest.vm.name if backup.manifest.vm else "")
    warnings: list[str] = []
    for storage, what, sure in crowded(disks):
        if sure:
            problems.append(ConfigError(f"{storage.sr.name}: {what}", advice="Name another SR: --sr or --map-sr."))
        else:
            warnings.append(f"{storage.sr.name}: {what} once the disks are full")
    if way != "disk":
        problems += [ConfigError(message, advice=advice) for message, advice in incompatible(backup, ova, pool, way)]
        problems += _clashes(ova, pool, wishes, vifs)
        warnings += [*cautions(ova, pool), *_neighbours(pool, name, vifs)]
    failures = (Failure("plan", "PlanError", error.message, error.advice, PlanError.exit_code) for error in problems)
    return RestorePlan(
        backup=backup,
        ova=ova,
        way=way,
        name=name,
        disks=disks,
        vifs=vifs,
        host=host,
        tags=wishes.tags,
        preserve=wishes.preserve,
        start=wishes.start,
        force=wishes.force,
        warnings=tuple(warnings),
        problems=tuple(dict.fromkeys(failures)),
    )


def refuse(plan: RestorePlan) -> None:
    """Raise PlanError with all the problems of a plan that has any."""
    if plan.problems:
        advice = dict.fromkeys(problem.advice for problem in plan.problems if problem.advice)
        raise PlanError("\n".join(problem.message for problem in plan.problems), advice="\n".join(advice))


def find_host(pool: Surroundings, wanted: str, disks: Sequence[PlannedDisk]) -> Neighbour:
    """Return the VM of that name or UUID, if it has room for the disks at their places. Raises ConfigError."""
    found = [vm for vm in pool.neighbours if wanted in {vm.name, vm.uuid}]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} VMs of the pool are called {wanted!r}", advice="Name it by its UUID.")
    for planned in disks:
        if planned.disk.position in found[0].positions:
            raise ConfigError(
                f"the VM {wanted!r} has something at position {planned.disk.position} already",
                advice="Detach it first, or leave --vm out.",
            )
    return found[0]


def _try(problems: Problems, call: Callable[[], T]) -> T | None:
    try:
        return call()
    except ConfigError as error:
        problems.append(error)
        return None


def _place(case: _Case, problems: Problems) -> tuple[PlannedDisk, ...]:
    wishes, wanted = case.wishes, case.image.disks
    if wishes.alone:
        chosen = _try(problems, lambda: choose(case.backup, wishes.disk))
        wanted = (chosen,) if chosen else ()
    for old in unplaced(wanted, case.ova, wishes):
        names = ", ".join(f"{disk.device or disk.position} on {old_sr(disk, case.ova)!r}" for disk in wanted)
        problems.append(
            ConfigError(f"--map-sr: no disk and no SR of the backup is {old!r}", advice=f"It has {names or 'none'}.")
        )
    placed = ((disk, _try(problems, partial(place, disk, wanted, case.ova, case.pool, wishes))) for disk in wanted)
    return tuple(PlannedDisk(disk, storage) for disk, storage in placed if storage)


def _way(image: Image, disks: Sequence[PlannedDisk], wishes: Wishes) -> Way:
    if wishes.alone:
        return "disk"
    if image.format != "xva":
        return "machine"
    return "import" if len({planned.storage for planned in disks}) < 2 else "disks"  # noqa: PLR2004 - one SR or none


def _wire(case: _Case, problems: Problems) -> tuple[PlannedVIF, ...]:
    if network := case.only:
        return tuple(on(network, vif, was, case.wishes) for vif, was in interfaces(case.ova))
    for old in unwired(case.ova, case.wishes):
        networks = (repr(network.text("name_label")) for _, network in interfaces(case.ova))
        names = ", ".join(dict.fromkeys(networks))
        problems.append(
            ConfigError(f"--map-network: the VM is on no network {old!r}", advice=f"It is on {names or 'none'}.")
        )
    found = (_try(problems, partial(wire, vif, was, case.pool, case.wishes)) for vif, was in interfaces(case.ova))
    return tuple(vif for vif in found if vif)


def _contradictions(image: Image, wishes: Wishes, way: Way, host: Neighbour | None) -> Iterator[ConfigError]:
    if way == "disk" and (wishes.name or wishes.tags or wishes.map_network or wishes.new_mac or wishes.preserve):
        yield ConfigError("a disk alone has no name, tag, network or MAC", advice="Leave --disk and --vm out.")
    if way == "disk" and wishes.start and wishes.vm is None:
        yield ConfigError("a disk alone cannot be started", advice="Name the VM that gets it with --vm.")
    if way == "disk" and wishes.start and host and host.power_state not in {"Halted", "Suspended"}:
        yield ConfigError(f"the VM {host.name!r} is {host.power_state.lower()} already", advice="Leave --start out.")
    if way in {"disk", "disks"} and wishes.force and image.format == "xva":
        yield ConfigError(
            "--force sends a whole image as it is, and no single disks out of it",
            advice="Restore to one SR, or take another backup.",
        )
    if wishes.preserve and wishes.new_mac:
        yield ConfigError("--preserve keeps what --new-mac would change", advice="Leave one of them out.")
    if wishes.preserve and way == "machine":
        yield ConfigError("--preserve is for whole VMs; the MACs of this one are kept anyway", advice="Leave it out.")


def _clashes(ova: Ova, pool: Surroundings, wishes: Wishes, vifs: Sequence[PlannedVIF]) -> Iterator[ConfigError]:
    """Yield what the VM would do harm to, or the pool refuse."""
    macs = {vif.mac.lower() for vif in vifs} - {""}
    for vm in pool.neighbours:
        if wishes.start and vm.power_state == "Running" and macs & vm.macs:
            yield ConfigError(
                f"the VM {vm.name!r} ({vm.uuid}) is running with {', '.join(sorted(macs & vm.macs))}",
                advice="Shut it down first, or give the restored one --new-mac.",
            )
    if not wishes.preserve:
        return
    for old in ova.of_class("VM"):
        seed = old.mapping("other_config").get("mac_seed", "")
        for vm in pool.neighbours:
            # A halted VM of the same UUID would be destroyed to make room (xapi: import.ml).
            if vm.uuid == old.text("uuid") or (seed and vm.mac_seed == seed):
                yield ConfigError(
                    f"the VM {vm.name!r} ({vm.uuid}) is the original or a copy of it, and is still in the pool",
                    advice="Leave --preserve out, or delete that VM first.",
                )


def _neighbours(pool: Surroundings, name: str, vifs: Sequence[PlannedVIF]) -> Iterator[str]:
    macs = {vif.mac.lower() for vif in vifs} - {""}
    for vm in pool.neighbours:
        state = vm.power_state.lower()
        if vm.name == name:
            yield f"there is a VM {name!r} already ({vm.uuid}, {state}); --as gives this one another name"
        if macs & vm.macs:
            yield (
                f"the VM {vm.name!r} ({vm.uuid}, {state}) has the MAC {', '.join(sorted(macs & vm.macs))} too:"
                " they must not run at the same time; --new-mac gives this one its own"
            )
