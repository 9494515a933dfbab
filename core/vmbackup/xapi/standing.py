"""Copies of VMs that stay in the pool: the mark of one that is proven, and what makes it somebody's own. Pure.

A copy is there to be started one day, and then it is a VM like any other: nothing that a person has done with it may
ever be destroyed, not even when it looks as it did again. So its mark says what it was, to be held against what it is.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

from vmbackup.xapi.marks import STANDS, is_marked_copy
from vmbackup.xapi.wire import Record, flag, mapping, moment, text, texts

Tables = Mapping[str, Mapping[str, Record]]
# What a snapshot or a copy is called until it is marked.
UNNAMED = re.compile(r"vmbackup-[0-9a-f]{16}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the mark of a standing copy says: of which VM it is, by whom made, and what it was then.

    `copy` and `vm` are UUIDs; `made` is the moment in UTC, `booted` the one of the last start that was noted on it,
    both in ISO 8601.
    """

    copy: str
    installation: str
    job: str
    vm: str
    name: str
    made: str
    booted: str

    @classmethod
    def parse(cls, value: str) -> "Standing | None":
        """Read a mark; None where it is none."""
        try:
            facts = json.loads(value)
            return cls(**{key: str(fact) for key, fact in facts.items()})
        except (ValueError, TypeError, AttributeError):
            return None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def succeeds(self, other: "Standing") -> bool:
        """Whether this one takes the place of the other: a later one of the same VM, by the same job, made here."""
        same = (self.installation, self.job, self.vm) == (other.installation, other.job, other.vm)
        return same and self.copy != other.copy and self.made > other.made


def standing(vm: Record) -> Standing | None:
    """Return what the mark on a VM says if that is a copy and the mark its own."""
    found = Standing.parse(mapping(vm, "other_config").get(STANDS, ""))
    return found if found and found.copy == text(vm, "uuid") and not flag(vm, "is_a_snapshot") else None


def last_start(vm: Record, tables: Tables) -> str:
    """Return when a VM was last started, in ISO 8601; a copy has it from what it was copied from."""
    metrics = tables["VM_metrics"].get(text(vm, "metrics"))
    return moment(metrics, "start_time").isoformat() if metrics is not None else ""


def claim(
    vm: Record,
    tables: Tables,
    *,
    names: Collection[str] = (),
    booted: str = "",
    ours: Callable[[Record], bool] = is_marked_copy,
) -> str:
    """Return what says that somebody has made a copy his own, in words; "" if nothing does.

    It has been called one of `names`, if there are any, and was last started at `booted`, if that is known; `ours` says
    whether a VDI is one of the disks that it was made with.
    """
    return next(_claims(vm, tables, names, booted, ours), "")


def _claims(
    vm: Record, tables: Tables, names: Collection[str], booted: str, ours: Callable[[Record], bool]
) -> Iterator[str]:
    if (state := text(vm, "power_state")) != "Halted":
        yield f"it is {state.lower()}"
    if booted and last_start(vm, tables) != booted:
        yield "it has been started"
    if texts(vm, "snapshots"):
        yield "it has snapshots"
    if flag(vm, "is_a_template"):
        yield "it is a template"
    if names and text(vm, "name_label") not in names:
        yield f"it was called {' or '.join(map(repr, names))}"
    for vdi in disks(vm, tables).values():
        name = text(vdi, "name_label")
        if not ours(vdi):
            yield f"its disk {name!r} is none of those that it was made with"
        if texts(vdi, "snapshots"):
            yield f"its disk {name!r} has snapshots"
        if len(texts(vdi, "VBDs")) > 1:
            yield f"another VM has its disk {name!r} too"


def disks(vm: Record, tables: Tables) -> dict[str, Record]:
    """Return the VDIs of a VM by their references, without those in CD drives."""
    drives = [tables["VBD"][vbd] for vbd in texts(vm, "VBDs") if vbd in tables["VBD"]]
    refs = [text(drive, "VDI") for drive in drives if text(drive, "type") != "CD" and not flag(drive, "empty")]
    return {ref: tables["VDI"][ref] for ref in refs if ref in tables["VDI"]}


def is_spare(vm: Record, tables: Tables) -> bool:
    """Whether a VM is a copy of ours, proven or under way, that nobody has made his own: no VM to back up."""
    if found := standing(vm):
        return not claim(vm, tables, names=[found.name], booted=found.booted)
    unnamed = UNNAMED.fullmatch(text(vm, "name_label")) is not None
    return (unnamed and text(vm, "power_state") == "Halted") or (is_marked_copy(vm) and not claim(vm, tables))
