import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import FAILURE, RUN, START, backup, report

from vmbackup.cli.nagios import nagios_lines
from vmbackup.protection import Seen, judge
from vmbackup.results import Covered, Failure

NOW = START + timedelta(hours=5)
WEB = Covered("web", "11111111-0000-4000-8000-000000000000", taken=True)
OLD = Covered("old", "22222222-0000-4000-8000-000000000000", taken=True)
NEVER = Covered("new", "33333333-0000-4000-8000-000000000000", taken=False)
OUT = Covered("out", "44444444-0000-4000-8000-000000000000", taken=False, excluded=True)
# The form that Nagios reads: words, a bar, and figures with their limits.
LINE = re.compile(r"VMBACKUP (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \| ([a-z_]+=\d+s?(;\d*){3} ?)+")


def said(*covered: Covered, **seen: object) -> list[str]:
    backups = (backup(), backup(at=START - timedelta(days=9), name="old", uuid=OLD.uuid))
    told = replace(report(), run=replace(RUN, started=START), inventory=covered)
    found = Seen(targets=("nas",), backups=backups, reports=(told,) if covered else ())
    max_age = timedelta(hours=26)
    lines = list(nagios_lines(judge(replace(found, **seen), max_age, NOW), max_age, NOW))  # type: ignore[arg-type]
    assert LINE.fullmatch(lines[0]), lines[0]
    assert [line for line in lines[1:] if "|" in line or not line.isprintable()] == []
    return lines


def test_all_is_well() -> None:
    (line,) = said(WEB, OUT)
    words, _, figures = line.partition(" | ")
    assert words == "VMBACKUP OK - 1 of 1 VMs protected, pool seen 5 h ago"
    assert figures == (
        "vms=1;;;0 protected=1;;;0 damaged=0;;0;0 unprotected=0;;0;0 too_old=0;;0;0 excluded=1;;;0 "
        "oldest=18000s;;93600;0 inventory=18000s;93600;;0"
    )


def test_alarms_are_named() -> None:
    first, *more = said(WEB, OLD, NEVER)
    assert first.startswith(
        "VMBACKUP CRITICAL - 2 of 3 VMs not protected: new (unprotected), old (too old), pool seen 5 h ago | vms=3;"
    )
    assert "oldest=795600s;;93600;0" in first
    assert more == [
        "new: no job takes it, and it has no good backup",
        "old: its newest good backup is 9 days old",
    ]


def test_a_long_list_of_names_is_cut() -> None:
    first = said(*(replace(NEVER, vm=f"vm{number}", uuid=str(number)) for number in range(9)))[0]
    assert "vm4 (unprotected), 4 more, pool seen" in first


def test_what_cannot_be_read_is_unknown() -> None:
    first, *more = said(WEB, away=(("usb", "usb: not mounted"), ("nfs", "no route")))
    assert first.startswith("VMBACKUP UNKNOWN - cannot be read: usb, nfs (usb: not mounted), pool seen 5 h ago | ")
    assert more == ["usb: usb: not mounted", "nfs: no route"]
    assert said()[0].startswith("VMBACKUP UNKNOWN - no run has left word of what is in the pool | vms=0;")


def test_warnings_are_counted_and_told() -> None:
    untold = Failure("notifier ops", "NotifyError", "the mail server is away")
    ill = replace(
        report(failures=[replace(FAILURE, step="prepare", exit_code=12)]),
        run=replace(RUN, id="2", started=START + timedelta(hours=1)),
        warnings=(untold,),
    )
    good = replace(report(), run=replace(RUN, started=START), inventory=(WEB,))
    first, *more = said(WEB, reports=(good, ill), unread=("nas:x: cut",))
    assert first.startswith("VMBACKUP WARNING - 1 of 1 VMs protected, 3 warnings, pool seen 5 h ago | ")
    assert more == [
        "the last run of weekend, 4 h ago, ended with 12",
        "weekend: notifier ops: the mail server is away",
        "nas:x: cut",
    ]


@pytest.mark.parametrize("name", ["a|b=1", "a\nVMBACKUP OK - fine | x=1", "\x1b[2J\u202e", "x" * 5000, "", "ü|東京"])
def test_no_name_makes_a_line_or_a_figure(name: str) -> None:
    lines = said(WEB, replace(NEVER, vm=name), away=[(name, name)], unread=(name,))
    assert len(lines) == 4
    assert max(map(len, lines)) < 900


def test_figures_have_no_names_but_ours() -> None:
    names: Sequence[str] = re.findall(r"([a-z_]+)=", said(WEB)[0].partition("|")[2])
    assert names == ["vms", "protected", "damaged", "unprotected", "too_old", "excluded", "oldest", "inventory"]
