"""Whether the old configuration and ours take the same VMs of a pool, by the same method, and keep as many copies."""

from collections.abc import Iterator, Sequence

from vmbackup.config import Job
from vmbackup.models import VM
from vmbackup.nau.reading import Reading
from vmbackup.nau.resolving import take
from vmbackup.selection import Pattern, select


def taken(reading: Reading, vms: Sequence[VM]) -> int:
    """Return how many VMs the old configuration takes."""
    return sum(take(reading, vm.name) is not None for vm in vms)


def differences(reading: Reading, job: Job, vms: Sequence[VM]) -> Iterator[str]:
    """Yield a line for each VM that the two do not treat the same."""
    chosen = select([Pattern(one.match) for one in job.vms], [Pattern(one.match) for one in job.exclude], vms)
    for vm in vms:
        old = take(reading, vm.name)
        entry = job.vms[chosen.taken[vm.uuid]] if vm.uuid in chosen.taken else None
        before = f"{old.method}, {old.keep} copies" if old else "not at all"
        after = f"{entry.method or job.method}, {(entry.keep or job.keep).last} copies" if entry else "not at all"
        if before != after:
            yield f"{vm.name}: {before} by {reading.path}, {after} here"
