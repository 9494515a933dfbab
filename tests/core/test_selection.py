from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import vm

from vmbackup.models import VM
from vmbackup.selection import Pattern, select

UUID = "0f5a1b2c-0000-4000-8000-000000000000"


def winner(entries: Sequence[str], taken: VM, excludes: Sequence[str] = ()) -> str | None:
    """The entry that takes the VM, by its text."""
    selection = select([Pattern(text) for text in entries], [Pattern(text) for text in excludes], [taken])
    index = selection.taken.get(taken.uuid)
    return None if index is None else entries[index]


def names_taken(entries: Sequence[str], excludes: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    found = {name: winner(entries, vm(name), excludes) for name in names}
    return {name: entry for name, entry in found.items() if entry is not None}


@pytest.mark.parametrize(
    ("text", "name", "fits"),
    [
        ("web", "web", True),
        ("web", "web2", False),
        ("web", "Web", False),
        ("PROD*", "PROD", True),
        ("PROD*", "PROD-a", True),
        ("PROD*", "prod-a", False),
        ("PROD*", "xPROD", False),
        ("web?", "web1", True),
        ("web?", "web", False),
        ("web[12]", "web2", True),
        ("web[12]", "web3", False),
        ("web[12]", "web[12]", True),
        ("web[!12]", "web3", True),
        ("/web[0-9]+/", "web12", True),
        ("/web[0-9]+/", "web12b", False),
        ("/web/", "/web/", False),
        ("name:/web/", "/web/", True),
        ("name:a*", "a*", True),
        ("name:a*", "ab", False),
        ("name:web", "name:web", True),
        ("name:web", "web", True),
        ("/", "/", True),
        ("//", "//", True),
        ("a.b", "a.b", True),
        ("a.b", "axb", False),
        ("*\n*", "a\nb", True),
        ("../../etc/*", "../../etc/passwd", True),
    ],
)
def test_what_a_name_pattern_fits(text: str, name: str, *, fits: bool) -> None:
    assert Pattern(text).matches(vm(name)) is fits


def test_a_tag_is_compared_whole() -> None:
    tagged = vm("web", tags=("production", "tier 1"))
    assert Pattern("tag:production").matches(tagged)
    assert Pattern("tag:tier 1").matches(tagged)
    assert not Pattern("tag:prod").matches(tagged)
    assert not Pattern("tag:prod*").matches(tagged)


def test_a_uuid_is_compared_in_any_case_and_never_as_a_part() -> None:
    assert Pattern(f"uuid:{UUID.upper()}").matches(vm("web", UUID))
    assert not Pattern(f"uuid:{UUID[:8]}").matches(vm("web", UUID))
    assert not Pattern("uuid:").matches(vm("web", UUID))


# From the weakest to the strongest, for a VM called web-01 with the tag blue.
LADDER = ["*", "w*", "we*", "web*", "/web-../", "web-0*", "tag:blue", "web-01", f"uuid:{UUID}"]


@given(st.sets(st.sampled_from(LADDER), min_size=1).flatmap(lambda some: st.permutations(sorted(some))))
def test_the_most_precise_entry_wins_whatever_the_order(entries: list[str]) -> None:
    assert winner(entries, vm("web-01", UUID, tags=("blue",))) == max(entries, key=LADDER.index)


VMS = [vm("web-01", UUID, tags=("blue",)), vm("web-02"), vm("db-02", tags=("red", "blue")), vm("mail"), vm("web-0*")]
MANY = [*LADDER, "db*", "db-02", "tag:red", "/.*2/", "/.*02/", "web-0[12]", "nothing", "name:web-01"]


def judged(entries: Sequence[str], excludes: Sequence[str], vms: Sequence[VM]) -> object:
    """All that a selection says, without indices."""
    selection = select([Pattern(text) for text in entries], [Pattern(text) for text in excludes], vms)
    ties = {taken.uuid: {entries[index] for index in tied} for taken, tied in selection.ties}
    taken = {uuid: entries[index] for uuid, index in selection.taken.items()}
    return taken, ties, {entries[index] for index in selection.idle}


@given(
    entries=st.lists(st.sampled_from(MANY), unique=True, min_size=1),
    excludes=st.lists(st.sampled_from(["w*", "db-02", "tag:red", "uuid:" + UUID]), unique=True),
    shuffle=st.randoms(use_true_random=False),
)
def test_neither_the_order_of_entries_nor_of_vms_matters(
    entries: list[str], excludes: list[str], shuffle: Random
) -> None:
    before = judged(entries, excludes, VMS)
    entries, excludes = shuffle.sample(entries, len(entries)), shuffle.sample(excludes, len(excludes))
    assert judged(entries, excludes, shuffle.sample(VMS, len(VMS))) == before


@given(
    entries=st.lists(st.sampled_from(MANY), unique=True, min_size=1), exclude=st.sampled_from([*LADDER, "name:web-01"])
)
def test_an_exclude_always_wins(entries: list[str], exclude: str) -> None:
    selection = select([Pattern(text) for text in entries], [Pattern(exclude)], VMS)
    left = {taken.uuid for taken in VMS if not Pattern(exclude).matches(taken)}
    assert set(selection.taken) <= left
    assert {taken.uuid for taken, _ in selection.ties} <= left
    assert UUID not in left


@given(st.lists(st.sampled_from(MANY), unique=True, min_size=1))
def test_every_vm_that_an_entry_fits_is_taken_or_tied_and_every_other_entry_is_idle(entries: list[str]) -> None:
    patterns = [Pattern(text) for text in entries]
    selection = select(patterns, [], VMS)
    spoken_for = set(selection.taken) | {taken.uuid for taken, _ in selection.ties}
    assert spoken_for == {taken.uuid for taken in VMS if any(pattern.matches(taken) for pattern in patterns)}
    idle = {index for index, pattern in enumerate(patterns) if not any(map(pattern.matches, VMS))}
    assert set(selection.idle) == idle


@pytest.mark.parametrize(
    "entries",
    [
        ["web", "web"],
        ["web", "name:web"],
        ["w*", "*b"],
        ["tag:a", "tag:b"],
        ["w?b", "/w.b/"],
        ["we[ab]", "we*"],
    ],
)
def test_equally_precise_entries_are_a_tie(entries: list[str]) -> None:
    taken = vm("web", tags=("a", "b"))
    selection = select([Pattern(text) for text in entries], [], [taken])
    assert selection.ties == ((taken, (0, 1)),)
    assert selection.taken == {}


def test_a_more_precise_entry_resolves_a_tie() -> None:
    assert winner(["w*", "*b", "we*"], vm("web")) == "we*"


def test_an_excluded_tie_is_none() -> None:
    selection = select([Pattern("w*"), Pattern("*b")], [Pattern("web")], [vm("web")])
    assert selection.ties == ()


def test_a_name_with_wildcards_in_it_counts_as_named() -> None:
    assert winner(["web[1]", "tag:blue", "*"], vm("web[1]", tags=("blue",))) == "web[1]"
    assert winner(["web*", "tag:blue"], vm("web*", tags=("blue",))) == "web*"
    assert winner(["web*", "tag:blue"], vm("web1", tags=("blue",))) == "tag:blue"


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        ("*", 0),
        ("web*", 3),
        ("w?b", 2),
        ("web[12]", 3),
        ("web[!]x]y", 4),
        ("a[b*", 3),
        (r"/web\.01/", 6),
        (r"/web\d+/", 3),
        ("/web[0-9]{2,3}/", 3),
        (r"/[\]x]a/", 1),
        ("/(a|b)c.*/", 3),
    ],
)
def test_the_characters_that_stand_for_themselves(text: str, literals: int) -> None:
    assert Pattern(text).literals == literals


@pytest.mark.parametrize("text", ["/web(/", "/[/", "/a{99999999999999999999}/", "/*a/"])
def test_a_broken_regular_expression_is_a_problem(text: str) -> None:
    assert text in (Pattern(text).problem() or "")


@pytest.mark.parametrize("text", ["web", "*", "a[b", "/web[0-9]/", "(", "uuid:x", "tag:(", "name:[", "/("])
def test_everything_else_is_a_pattern(text: str) -> None:
    assert Pattern(text).problem() is None


CASES = [
    # the example of the design: one VM by name, all of PROD and DEV-RH, but no print servers
    (
        ["PROD-CentOS7-large-user-disks", "PROD*", "DEV-RH*"],
        ["PROD-print*"],
        {
            "PROD-CentOS7-large-user-disks": "PROD-CentOS7-large-user-disks",
            "PROD-CentOS7": "PROD*",
            "PROD": "PROD*",
            "DEV-RH8-build": "DEV-RH*",
        },
        ["PROD-print-1", "PROD-print", "DEV-ubuntu", "prod-lower", "TEST-PROD"],
    ),
    # a name that an exclude fits as well stays out
    (["PROD-print-1", "PROD*"], ["PROD-print*"], {"PROD-db": "PROD*"}, ["PROD-print-1"]),
    # every VM, but for two
    (["*"], ["tmp", "/test-[0-9]+/"], {"a": "*", "test-x": "*", "": "*"}, ["tmp", "test-12"]),
    # names that a shell or a file system would choke on are names like any other
    (["$(reboot)", "-rf", "*"], [], {"$(reboot)": "$(reboot)", "-rf": "-rf", "../../etc": "*", "%s{}": "*"}, []),
]


@pytest.mark.parametrize(("entries", "excludes", "taken", "left"), CASES)
def test_whole_jobs(entries: list[str], excludes: list[str], taken: dict[str, str], left: list[str]) -> None:
    assert names_taken(entries, excludes, [*taken, *left]) == taken
