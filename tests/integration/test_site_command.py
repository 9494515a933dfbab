"""Pages of real runs: the page of each run, and the site of all."""

import shutil
from pathlib import Path

import pytest
from tests.integration.world import World, job, json_of

REPORTER = '\n[reporters.www]\ntype = "html"\npath = "{folder}"\n'


@pytest.fixture
def www(world: World) -> Path:
    """The folder of a reporter of pages; the job has one."""
    folder = world.folder / "www"
    folder.mkdir()
    world.configure(REPORTER.format(folder=folder) + job("web*", more='report = ["www"]'))
    return folder


def pages(www: Path) -> list[str]:
    return [path.read_text() for path in sorted(www.glob("*.html"), key=lambda path: path.stat().st_mtime_ns)]


def test_each_run_has_a_page_and_the_second_has_charts_of_the_first(world: World, www: Path) -> None:
    first, second = world.run(), world.run()
    assert not first.all_warnings
    assert not second.all_warnings
    one, two = pages(www)
    assert "begin with the second run" in one
    assert "The last 2 runs" in two
    assert two.count("<title>web 01, ") == 2 * 3


def test_a_site_has_all_that_the_targets_hold(world: World) -> None:
    world.run()
    report = world.run()
    site = world.folder / "site"
    done = world.cli("site", str(site), "--json")
    assert done.returncode == 0, done.stderr
    assert json_of(done) == {"folder": str(site), "pages": 1 + 2 + 1 + 1, "vms": 1, "runs": 2, "away": {}}
    index = (site / "index.html").read_text()
    assert "web 01" in index
    (machine,) = (site / "vms").glob("web-01--*.html")
    assert machine.read_text().count("</span> good</span>") == 2
    assert len(list((site / "runs").glob(f"test--*{report.run.id[:8]}.html"))) == 1
    assert "all protected" in index
    again = world.cli("site", str(site), "--max-age", "1s")
    assert "1 VMs and 2 runs" in again.stdout
    assert "1 of 1 VM not protected" in (site / "index.html").read_text()


def test_an_age_longer_than_the_calendar_is_refused(world: World) -> None:
    done = world.cli("site", str(world.folder / "site"), "--max-age", "99999999999h")
    assert done.returncode == 2
    assert "longer than the calendar" in done.stderr
    assert not (world.folder / "site").exists()


def test_a_target_that_is_away_is_named_and_the_exit_code_is_10(world: World) -> None:
    world.run()
    shutil.move(world.target, world.folder / "away")
    world.target.mkdir()
    done = world.cli("site", str(world.folder / "site"))
    assert done.returncode == 10
    assert "away disk" in done.stdout
    assert "there is no vmbackup-target.json" in (world.folder / "site" / "index.html").read_text()


def test_a_folder_of_somebody_else_s_is_refused(world: World) -> None:
    done = world.cli("site", str(world.folder))
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_a_record_that_nobody_can_read_is_told_and_passed_over(world: World) -> None:
    world.run()
    (record,) = (world.target / "runs" / "test").glob("*.json")
    record.write_bytes(b"{}")
    done = world.cli("site", str(world.folder / "site"))
    assert done.returncode == 0
    assert "vmbackup: warning:" in done.stderr
    assert "1 VMs and 0 runs" in done.stdout
