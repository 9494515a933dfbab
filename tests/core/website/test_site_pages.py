import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

import pytest
from tests.pictures.history import LAST, LEFT, VMS, history, kept_backups, uuid_of

from vmbackup.conformance.reports import HOSTILE, reports
from vmbackup.manifest import Verified, WrongFile
from vmbackup.repository import Broken
from vmbackup.results import Report
from vmbackup.website import Holdings, Place, pages
from vmbackup.website.folder import _OURS
from vmbackup.website.holdings import each_once

RUNS = history(20)
BACKUPS = tuple(kept_backups(RUNS))
HELD = Holdings(LAST + timedelta(hours=7), (Place("nas", 9 << 40),), BACKUPS, tuple(RUNS))


MADE = pages(HELD)


def text(held: Holdings) -> dict[str, str]:
    return {name: page.decode() for name, page in pages(held).items()}


def of_hostile() -> Holdings:
    found = [report for report in reports().values() if report.results]
    runs = [replace(report, run=replace(report.run, id=f"{number:016x}")) for number, report in enumerate(found)]
    backups = kept_backups(runs)
    broken = tuple(Broken(name, name) for name in HOSTILE)
    return Holdings(LAST, (Place("nas", None, broken), Place("away", away=HOSTILE[4])), tuple(backups), each_once(runs))


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


@pytest.mark.parametrize("held", [HELD, of_hostile(), Holdings(LAST, (), (), ())], ids=["usual", "hostile", "empty"])
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
    again = Holdings(HELD.made, HELD.places, tuple(reversed(BACKUPS)), tuple(RUNS))
    assert pages(again) == MADE


def test_time_alone_changes_the_index_alone() -> None:
    later = replace(HELD, made=HELD.made + timedelta(days=3))
    changed = [name for name, page in pages(later).items() if page != MADE[name]]
    assert changed == ["index.html"]


def test_the_index_names_what_no_job_takes() -> None:
    assert [covered.vm for covered in HELD.unprotected] == sorted(LEFT, key=str.casefold)
    for name in LEFT:
        assert name in text(HELD)["index.html"]


def test_what_another_job_takes_is_protected() -> None:
    first, second = RUNS[0], RUNS[1]
    other = replace(
        second,
        run=replace(second.run, job="lab"),
        inventory=tuple(replace(covered, taken=covered.vm in LEFT[:2]) for covered in second.inventory),
    )
    held = replace(HELD, runs=(first, other))
    assert [covered.vm for covered in held.unprotected] == ["templates-builder"]


def test_a_target_that_is_away_and_a_folder_not_to_be_believed_are_named() -> None:
    places = (Place("nas", 1, (Broken("campus/x", "image.xva is missing"),)), Place("usb", away="no such disk"))
    index = text(replace(HELD, places=places))["index.html"]
    for words in ("campus/x is not to be believed: image.xva is missing", "no such disk", "usb"):
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
    held = replace(HELD, backups=damaged)
    (machine,) = (one for one in held.machines if one.name == "PROD-vpn")
    assert newest.folder not in [one.folder for one in machine.good]
    page = text(held)[machine.page]
    assert "found wrong" in page
    assert "block 7 is damaged" in page


def test_a_renamed_vm_has_one_page_under_its_last_name() -> None:
    renamed = [replace(RUNS[0], results=tuple(replace(one, vm=f"{one.vm}-new") for one in RUNS[0].results)), *RUNS[1:]]
    names = [machine.name for machine in replace(HELD, backups=(), runs=tuple(renamed)).machines]
    assert len(names) == len(VMS)
    assert "PROD-mail-new" in names


def test_a_run_whose_record_lies_on_two_targets_is_one() -> None:
    assert each_once([*RUNS, *RUNS[::-1]]) == tuple(RUNS)


def test_names_that_differ_by_case_alone_have_pages_of_their_own() -> None:
    def called(report: Report, name: str, uuid: str) -> Report:
        return replace(report, results=(replace(report.results[0], vm=name, uuid=uuid),))

    held = Holdings(LAST, (), (), (called(RUNS[0], "Web", "1"), called(RUNS[1], "web", "2")))
    names = [machine.page.casefold() for machine in held.machines]
    assert len(set(names)) == 2
