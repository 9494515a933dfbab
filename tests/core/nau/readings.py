"""What an old configuration comes to with given VMs: read, translated, planned by our rules, held against the old."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.core.builders import inventory, vm

from vmbackup.config import Job
from vmbackup.contracts import Method
from vmbackup.methods.vdi_export import VdiExport, VdiExportSettings
from vmbackup.methods.vm_export import VmExport, VmExportSettings
from vmbackup.nau.conversion import config_of, convert
from vmbackup.nau.reader import read
from vmbackup.nau.reading import Dialect, Reading, Scalars
from vmbackup.nau.resolving import remarks, take
from vmbackup.plan import Plan, make_plan
from vmbackup.settings import Settings

METHODS: dict[str, Method[Settings]] = {
    "vm-export": VmExport("vm-export", VmExportSettings()),
    "vdi-export": VdiExport("vdi-export", VdiExportSettings()),
}
POOL: dict[str, object] = {"url": "https://xen1.example.edu", "username": "root", "password": "x"}


@dataclass(frozen=True)
class Outcome:
    """The plan as `{name: (method, copies)}`, all that is said of it, and what the old rules alone make of it."""

    plan: Plan
    taken: dict[str, tuple[str, int]]
    said: str
    measure: Mapping[str, tuple[str, int]]


def reading(lines: str, dialect: Dialect | None = Dialect.V3_25) -> Reading:
    """Read lines that are written as one, with ` ; ` between them."""
    data = lines.replace(" ; ", "\n").encode()
    return read("weekend.cfg", data, dialect, Scalars(), ignore_extra_keys=False)


def job(of: Reading) -> Job:
    config = config_of(convert(of), POOL)
    return config.jobs["weekend"]


def outcome(lines: str, names: list[str], dialect: Dialect | None = Dialect.V3_25) -> Outcome:
    found = reading(lines, dialect)
    vms = [vm(name, uuid=f"00000000-0000-4000-8000-{number:012}") for number, name in enumerate(names)]
    plan = make_plan("weekend", job(found), inventory(*vms), METHODS)
    notes = [f"{found.place(note.number)}: {note.text}" for note in (*found.notes, *remarks(found, names))]
    said = "\n".join([*notes, *plan.notes, *(problem.message for problem in plan.problems)])
    taken = {task.vm.name: (task.method, task.keep.last) for task in plan.tasks}
    measure = {name: (got.method, got.keep) for name in names if (got := take(found, name))}
    return Outcome(plan, taken, said, measure)
