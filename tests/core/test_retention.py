from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import START, backup
from tests.core.verify.images import result

from vmbackup.config import Keep
from vmbackup.manifest import Twin, Verified
from vmbackup.results import Backup
from vmbackup.retention import counts_with, decide, displaced, group_of

KEEPS = st.integers(1, 12).map(lambda last: Keep(last=last))


@st.composite
def made(draw: st.DrawFn) -> list[Backup]:
    """Backups of a few VMs, jobs, pools, targets and methods; some at the same moment, some far in the future."""
    moments = st.integers(0, 60).map(lambda hours: START + timedelta(hours=hours))
    far = st.integers(0, 5).map(lambda years: START + timedelta(days=3650 * years))
    backups = draw(
        st.lists(
            st.builds(
                backup,
                at=moments | far,
                target=st.sampled_from(["nas", "disk"]),
                uuid=st.sampled_from(["aaaaaaaa-1", "bbbbbbbb-2"]),
                job=st.sampled_from(["weekend", "daily"]),
                method=st.sampled_from(["vm-export", "vdi-export"]),
                pool=st.sampled_from(["f00dfee1-1", "f00dfee2-2"]),
                run_id=st.sampled_from(["0000000000000000", "1111111111111111"]),
                database=st.booleans(),
            ),
            max_size=40,
            unique_by=lambda one: (one.target, one.folder),
        )
    )
    return sorted(backups, key=lambda one: (one.manifest.snapshot_time, one.folder))


END = datetime(9000, 1, 1, tzinfo=UTC)


def place(one: Backup) -> tuple[str, str]:
    return (one.target, one.folder)


def kept(backups: list[Backup], keep: Keep) -> list[Backup]:
    return [decision.backup for decision in decide(backups, keep, END) if decision.keep]


def removed(backups: list[Backup], keep: Keep) -> set[tuple[str, str]]:
    return {place(decision.backup) for decision in decide(backups, keep, END) if not decision.keep}


@settings(max_examples=60)
@given(made(), KEEPS)
def test_each_backup_gets_one_decision_and_nothing_else_does(backups: list[Backup], keep: Keep) -> None:
    decided = Counter(place(decision.backup) for decision in decide(backups, keep, END))
    assert decided == Counter(map(place, backups))


@settings(max_examples=60)
@given(made(), KEEPS)
def test_the_newest_of_each_vm_and_the_newest_of_each_method_stay(backups: list[Backup], keep: Keep) -> None:
    left = set(map(place, kept(backups, keep)))
    newest = {group_of(one): one for one in backups}
    newest_by_method = {(group_of(one), one.manifest.method): one for one in backups}
    assert {place(one) for one in (*newest.values(), *newest_by_method.values())} <= left


@settings(max_examples=60)
@given(made(), KEEPS)
def test_as_many_stay_as_are_to_be_kept_and_no_more_than_one_a_method_beyond(backups: list[Backup], keep: Keep) -> None:
    groups = defaultdict(list)
    for one in backups:
        groups[group_of(one)].append(one)
    left = Counter(group_of(one) for one in kept(backups, keep))
    for group, members in groups.items():
        assert left[group] >= min(keep.last, len(members))
        assert left[group] < keep.last + len({one.manifest.method for one in members})
        newest = sorted(members, key=lambda one: (one.manifest.snapshot_time, one.folder))[-keep.last :]
        assert set(map(place, newest)) <= set(map(place, kept(members, keep)))


@settings(max_examples=60)
@given(made(), KEEPS, st.integers(0, 5))
def test_to_keep_more_never_removes_more(backups: list[Backup], keep: Keep, more: int) -> None:
    assert removed(backups, Keep(last=keep.last + more)) <= removed(backups, keep)


@settings(max_examples=60)
@given(made(), KEEPS)
def test_what_was_kept_is_kept_again(backups: list[Backup], keep: Keep) -> None:
    assert removed(kept(backups, keep), keep) == set()


@settings(max_examples=60)
@given(made(), KEEPS, st.randoms(use_true_random=False))
def test_the_order_of_a_listing_does_not_matter(backups: list[Backup], keep: Keep, shuffle: Random) -> None:
    shuffled = shuffle.sample(backups, len(backups))
    assert removed(shuffled, keep) == removed(backups, keep)


@settings(max_examples=60)
@given(made(), KEEPS)
def test_groups_never_mix(backups: list[Backup], keep: Keep) -> None:
    apart = set()
    for group in {group_of(one) for one in backups}:
        apart |= removed([one for one in backups if group_of(one) == group], keep)
    assert removed(backups, keep) == apart


@settings(max_examples=60)
@given(made(), KEEPS, st.data())
def test_a_listing_that_is_short_never_removes_more(backups: list[Backup], keep: Keep, data: st.DataObject) -> None:
    if not backups:
        return
    seen = data.draw(st.lists(st.sampled_from(backups), unique_by=place))
    assert removed(seen, keep) <= removed(backups, keep)


@settings(max_examples=60)
@given(made(), KEEPS)
def test_every_decision_says_why(backups: list[Backup], keep: Keep) -> None:
    for decision in decide(backups, keep, END):
        assert str(keep.last) in decision.reason or decision.backup.manifest.method in decision.reason


@given(st.integers(1, 6), st.integers(1, 40))
def test_over_time_the_last_ones_are_always_there(last: int, runs: int) -> None:
    there: list[Backup] = []
    for number in range(runs):
        there.append(backup(at=START + timedelta(days=number)))
        there = kept(there, Keep(last=last))
        assert len(there) == min(last, number + 1)
        assert max(one.manifest.snapshot_time for one in there) == START + timedelta(days=number)


def test_what_a_group_is() -> None:
    one = backup()
    assert group_of(one) == group_of(backup(at=START + timedelta(days=1), method="vdi-export", name="renamed"))
    others = [
        backup(target="disk"),
        backup(pool="other"),
        backup(uuid="other"),
        backup(job="daily"),
        backup(database=True),
    ]
    assert len({group_of(other) for other in (one, *others)}) == 6


def test_a_job_that_turns_to_another_method_keeps_its_last_whole_backup() -> None:
    whole = [backup(at=START + timedelta(days=day)) for day in range(3)]
    disks = [backup(at=START + timedelta(days=day), method="vdi-export") for day in range(3, 8)]
    left = kept([*whole, *disks], Keep(last=2))
    assert sorted(map(place, left)) == sorted(map(place, [whole[-1], *disks[-2:]]))


@settings(max_examples=60)
@given(made(), KEEPS, st.integers(1, 5))
def test_a_backup_dated_in_the_future_takes_nobodys_place(backups: list[Backup], keep: Keep, wrong: int) -> None:
    """A clock that was wrong for some runs: what they made stays, and what is right is kept as if it were not there."""
    as_of = max((one.manifest.snapshot_time for one in backups), default=END)
    before = {place(decision.backup) for decision in decide(backups, keep, as_of) if decision.keep}
    future = [
        replace(
            one,
            folder=f"{one.folder}-future-{number}",
            manifest=one.manifest.model_copy(update={"snapshot_time": as_of + timedelta(days=365 + number)}),
        )
        for number in range(wrong)
        for one in backups[:1]
    ]
    after = {place(decision.backup) for decision in decide([*backups, *future], keep, as_of) if decision.keep}
    assert after == before | {place(one) for one in future}


def damaged(one: Backup) -> Backup:
    return replace(one, verified=(result(wrong="damaged"),))


@settings(max_examples=60)
@given(made(), KEEPS, st.data())
def test_what_was_found_wrong_stays_and_takes_nobodys_place(
    backups: list[Backup], keep: Keep, data: st.DataObject
) -> None:
    """What is good is kept as if the others were not there: the last good one never goes for a damaged newer one."""
    chosen = data.draw(st.sets(st.sampled_from(backups).map(place))) if backups else set()
    marked = [damaged(one) if place(one) in chosen else one for one in backups]
    good = [one for one in backups if place(one) not in chosen]
    assert removed(marked, keep) == removed(good, keep)
    assert chosen <= set(map(place, kept(marked, keep)))


def test_the_last_good_backup_outlives_any_number_of_damaged_ones() -> None:
    good = backup()
    newer = [damaged(backup(at=START + timedelta(days=day))) for day in range(1, 9)]
    assert good in kept([good, *newer], Keep(last=1))
    repaired = replace(newer[-1], verified=(result(days=2), *newer[-1].verified))
    assert removed([good, *newer[:-1], repaired], Keep(last=1)) == {place(good)}


def test_a_damaged_backup_says_why_it_stays() -> None:
    (decision,) = decide([damaged(backup())], Keep(last=1), END)
    assert (decision.keep, "verification failed" in decision.reason) == (True, True)


def adopted(backup: Backup, *, verified: bool = True) -> Backup:
    """The same backup as one that was adopted, which does not know its pool."""
    twin = Twin(folder=("web", "backup"), stem="web", adopted=True)
    unknown = backup.manifest.pool.model_copy(update={"uuid": "unknown"})
    manifest = backup.manifest.model_copy(update={"adopted": twin, "pool": unknown})
    result = Verified(generation=1, moment=END, level="full", read=0, seconds=0, written_by="")
    return replace(backup, manifest=manifest, verified=(result,) if verified else ())


def test_adopted_backups_count_with_those_of_their_vm_and_job_once_they_are_verified() -> None:
    fresh = backup(at=START + timedelta(days=9))
    good, other = adopted(backup(at=START)), adopted(backup(at=START, job="another"))
    unread = adopted(backup(at=START + timedelta(days=1)), verified=False)
    assert [counts_with(one, fresh) for one in (good, unread, other)] == [True, True, False]
    assert not counts_with(backup(at=START, pool="f00dfeed-0000-4000-8000-000000000002"), fresh)
    assert removed([fresh, good, unread, other], Keep(last=1)) == {place(good)}
    assert removed([good, fresh], Keep(last=2)) == set()


def test_which_backup_the_next_one_takes_the_place_of() -> None:
    days = [backup(at=START + timedelta(days=day)) for day in range(4)]
    assert displaced(days, Keep(last=4)) == days[0]
    assert displaced(days, Keep(last=5)) is None
    assert displaced([], Keep(last=1)) is None
    disk = backup(at=START - timedelta(days=1), method="vdi-export")
    assert displaced([disk, *days], Keep(last=4)) == days[0], "the only one by its method stays"
    wrong = replace(days[0], verified=(result(wrong="damaged"),))
    assert displaced([wrong, *days[1:]], Keep(last=3)) == days[1]
    assert displaced(days[:1], Keep(last=1)) == days[0]
