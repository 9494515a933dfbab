"""Whose rehearsal it is: the VM's that waited longest, as many as a week shall see."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import manifest

from vmbackup.manifest import Rehearsed, Verified, WrongFile
from vmbackup.rehearse import due, newest
from vmbackup.results import Backup

NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)
VMS = [f"{number}1111111-0000-4000-8000-000000000000" for number in range(9)]


def rehearsed(vm: str, days: float, *, good: bool = True) -> Rehearsed:
    moment = NOW - timedelta(days=days)
    return Rehearsed(
        generation=1, backup="p/v/b", vm=vm, name=vm, moment=moment, good=good, waited_for="agent", written_by="test"
    )


def backup(vm: str, at: datetime = NOW, *, wrong: bool = False) -> Backup:
    found = (WrongFile(file="image.xva", message="it is damaged"),) if wrong else ()
    verified = Verified(generation=1, moment=at, level="full", read=1, seconds=1, written_by="test", wrong=found)
    folder = f"pool/{vm}/{at:%Y%m%dT%H%M%SZ}-0000"
    return Backup("disk", folder, manifest(uuid=vm, at=at), (verified,) if wrong else ())


def test_the_newest_backup_that_is_not_known_to_be_wrong_stands_for_its_vm() -> None:
    old, new = backup(VMS[0], NOW - timedelta(days=1)), backup(VMS[0])
    assert newest([new, old]) == {VMS[0]: new}
    assert newest([backup(VMS[0], wrong=True), old]) == {VMS[0]: old}
    assert newest([Backup("disk", "pool-database/x", manifest(database=True))]) == {}


def test_who_never_was_comes_first_and_then_who_waited_longest() -> None:
    mine = {vm: backup(vm) for vm in VMS[:4]}
    history = {VMS[0]: [rehearsed(VMS[0], 10), rehearsed(VMS[0], 40)], VMS[1]: [rehearsed(VMS[1], 30)]}
    order = [mine[VMS[2]], mine[VMS[3]], mine[VMS[1]], mine[VMS[0]]]
    assert due(mine, history, NOW, None) == order
    assert due(mine, history, NOW, 3) == order[:3]


def test_a_rehearsal_that_failed_counts_too() -> None:
    mine = {vm: backup(vm) for vm in VMS[:3]}
    history = {VMS[0]: [rehearsed(VMS[0], 1, good=False)]}
    assert due(mine, history, NOW, 2) == [mine[VMS[1]]]
    assert due(mine, history, NOW, 1) == []
    assert due(mine, {VMS[0]: [rehearsed(VMS[0], 7.1)]}, NOW, 1) == [mine[VMS[1]]]


@given(
    days=st.lists(st.tuples(st.sampled_from(VMS), st.floats(0.1, 30)), max_size=30),
    vms=st.sets(st.sampled_from(VMS), max_size=9),
    a_week=st.integers(1, 12),
)
def test_no_week_sees_more_than_it_shall_and_no_vm_twice(
    days: list[tuple[str, float]], vms: set[str], a_week: int
) -> None:
    mine = {vm: backup(vm) for vm in sorted(vms)}
    history: dict[str, list[Rehearsed]] = {}
    for vm, ago in days:
        history.setdefault(vm, []).append(rehearsed(vm, ago))
    chosen = due(mine, history, NOW, a_week)
    lately = [vm for vm, ago in days if ago < 7 and vm in mine]
    assert len(chosen) + len(lately) <= max(a_week, len(lately))
    assert not {one.folder for one in chosen} & {mine[vm].folder for vm in lately}
    free = max(0, a_week - len(lately))
    assert len(chosen) == min(free, len(set(mine) - set(lately))), "all that is free is used"
