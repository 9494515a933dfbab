import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

import pytest
from tests.pictures.history import LAST, LEFT, VMS, history, holdings, kept_backups, uuid_of

from vmbackup.conformance.reports import HOSTILE, reports
from vmbackup.manifest import Verified, WrongFile
from vmbackup.protection import Seen
from vmbackup.results import Report
from vmbackup.website import Holdings, Place, pages
from vmbackup.website.folder import _OURS
from vmbackup.website.holdings import each_once

RUNS = history(20)
BACKUPS = tuple(kept_backups(RUNS))
HELD = holdings(RUNS, BACKUPS)


MADE = pages(HELD)


def text(held: Holdings) -> dict[str, str]:
    return {name: page.decode() for name, page in pages(held).items()}


def of_hostile() -> Holdings:
    found = [report for report in reports().values() if report.results]
    runs = [replace(report, run=replace(report.run, id=f"{number:016x}")) for number, report in enumerate(found)]
    backups = kept_backups(runs)
    seen = Seen((HOSTILE[4],), tuple(backups), tuple(runs), away=((HOSTILE[4], HOSTILE[5]),), unread=HOSTILE)
    return Holdings(LAST, timedelta(hours=26), seen, (Place(HOSTILE[4]),), each_once(runs))


def leads_nowhere(files: Mapping[str, bytes]) -> list[str]:
    lost = []
    for name, page in files.items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', page.decode()):
            if not link.startswith("data:"):
                place = PurePosixPath(name).parent / link
                parts: list[str] = []
                for part in place.parts:
                    parts = parts[:-1] if part == ".." else [*parts, part]
                if "/".join(parts) not in files:
                    lost.append(f"{name}: {link}")
    return lost


def test_there_is_an_index_a_page_a_vm_and_a_page_a_run() -> None:
    made = list(MADE)
    assert made[-1] == "index.html"
    assert sum(name.startswith("vms/") for name in made) == len(VMS)
    assert sum(name.startswith("runs/") for name in made) == len(RUNS)


@pytest.mark.parametrize("held", [HELD, of_hostile(), holdings((), ())], ids=["usual", "hostile", "empty"])
def test_every_link_leads_to_a_page_and_every_name_is_one_of_ours(held: Holdings) -> None:
    files = pages(held)
    assert leads_nowhere(files) == []
    assert [name for name in files if not _OURS.fullmatch(name)] == []


def test_names_are_words_on_every_page() -> None:
    for page in text(of_hostile()).values():
        assert "<script" not in page
        assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text(of_hostile())["index.html"]


def test_the_same_holdings_make_the_same_site_in_whatever_order_they_were_found() -> None:
    assert pages(holdings(RUNS, BACKUPS[::-1])) == MADE


def test_time_alone_changes_the_index_alone() -> None:
    later = replace(HELD, made=HELD.made + timedelta(hours=5))
    changed = [name for name, page in pages(later).items() if page != MADE[name]]
    assert changed == ["index.html"]


def test_the_index_says_what_is_protected_and_what_is_not() -> None:
    index = text(HELD)["index.html"]
    assert "3 of 14 VMs not protected" in index
    for name in LEFT[:2]:
        assert f"<strong>{name}</strong> unprotected: no job takes it" in index
    assert f"Left out on purpose: {LEFT[2]}" in index
    assert index.count(" protected</span></td>") == len(VMS) - 1
    assert "<strong>PROD-gitlab</strong> too old: its newest good backup is" in index


def test_a_page_of_a_vm_says_how_it_stands() -> None:
    old = replace(HELD, max_age=timedelta(hours=2))
    (machine,) = (machine for machine in old.machines if machine.name == "PROD-vpn")
    assert "too old</span>" in text(old)[machine.page]
    assert "too old</span>" not in text(HELD)[machine.page]


def test_a_vm_that_is_in_the_pool_no_more_is_named_apart() -> None:
    gone = uuid_of("PROD-vpn")
    newest = replace(RUNS[0], inventory=tuple(one for one in RUNS[0].inventory if one.uuid != gone))
    held = holdings([newest, *RUNS[1:]], BACKUPS)
    assert [machine.name for machine in held.gone] == ["PROD-vpn"]
    made = text(held)
    assert "not in the pool" in made["index.html"]
    assert "not in the pool any more" in made[held.gone[0].page]


def test_a_target_that_is_away_and_what_is_not_to_be_believed_are_named() -> None:
    seen = replace(HELD.seen, away=(("usb", "no such disk"),), unread=("nas:campus/x: image.xva is missing",))
    index = text(replace(HELD, seen=seen))["index.html"]
    for words in ("nas:campus/x: image.xva is missing", "The target usb could not be read", "no such disk"):
        assert words in index


def test_a_page_of_a_vm_has_its_backups_and_what_failed() -> None:
    (page,) = (page for name, page in text(HELD).items() if name.startswith("vms/PROD-gitlab--"))
    good = [report for report in RUNS if any(result.vm == "PROD-gitlab" and result.good for result in report.results)]
    assert page.count("badge good") == len(good)
    assert "SR_BACKEND_FAILURE_44" in page
    assert uuid_of("PROD-gitlab") in page


def test_a_backup_that_was_found_wrong_is_none_of_the_good_ones() -> None:
    wrong = Verified(
        generation=1,
        moment=LAST + timedelta(hours=3),
        level="full",
        read=1,
        seconds=1,
        written_by="vmbackup",
        wrong=(WrongFile(file="image.xva.zst", message="block 7 is damaged"),),
    )
    newest = max(
        (one for one in BACKUPS if one.manifest.vm and one.manifest.vm.name == "PROD-vpn"), key=lambda one: one.folder
    )
    damaged = tuple(replace(one, verified=(wrong,)) if one is newest else one for one in BACKUPS)
    held = holdings(RUNS, damaged)
    (machine,) = (one for one in held.machines if one.name == "PROD-vpn")
    assert newest.folder not in [one.folder for one in machine.good]
    page = text(held)[machine.page]
    assert "found wrong" in page
    assert "block 7 is damaged" in page


def test_a_renamed_vm_has_one_page_under_its_last_name() -> None:
    renamed = [replace(RUNS[0], results=tuple(replace(one, vm=f"{one.vm}-new") for one in RUNS[0].results)), *RUNS[1:]]
    names = [machine.name for machine in holdings(renamed, ()).machines]
    assert len(names) == len(VMS)
    assert "PROD-mail-new" in names


def test_a_run_whose_record_lies_on_two_targets_is_one() -> None:
    assert each_once([*RUNS, *RUNS[::-1]]) == tuple(RUNS)


def test_names_that_differ_by_case_alone_have_pages_of_their_own() -> None:
    def called(report: Report, name: str, uuid: str) -> Report:
        return replace(report, results=(replace(report.results[0], vm=name, uuid=uuid),))

    held = holdings((called(RUNS[0], "Web", "1"), called(RUNS[1], "web", "2")), ())
    names = [machine.page.casefold() for machine in held.machines]
    assert len(set(names)) == 2
