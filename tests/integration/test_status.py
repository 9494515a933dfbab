"""`vmbackup status` on real targets, after real runs."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job, json_of

from vmbackup.cli.options import open_site
from vmbackup.protection import Standing, Status, judge
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.survey import survey

EXCLUDE = '\n[[jobs.test.exclude]]\nmatch = "scratch"\n'


def status(world: World, age: timedelta = timedelta(hours=26), ahead: timedelta = timedelta(0)) -> Status:
    """The status as it will be some time from now."""
    now, site = datetime.now(UTC) + ahead, world.site()
    return judge(survey(site, sorted(site.config.targets), now), age, now)


def verdicts(world: World, ahead: timedelta = timedelta(0)) -> dict[str, str]:
    return {one.vm: one.verdict for one in status(world, ahead=ahead).standings}


@pytest.fixture
def crowd(world: World, pool: Simulator) -> World:
    """A pool with a VM that is backed up, one that nobody takes, and one that is left out on purpose."""
    for name in ("printer", "scratch"):
        pool.add_vm(name, [DiskSpec(MIB, seed=3)])
    world.configure(job("web*") + EXCLUDE)
    return world


def test_before_the_first_run_nothing_is_known(world: World) -> None:
    done = world.cli("status")
    assert done.returncode == 16
    assert "no run has left word of what is in the pool" in done.stdout
    done = world.cli("status", "--nagios")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("VMBACKUP UNKNOWN - no run has left word")


def test_what_is_protected_and_what_is_not(crowd: World) -> None:
    assert exit_code(crowd.run()) == 0
    done = crowd.cli("status")
    assert done.returncode == 16
    assert "unprotected printer: no job takes it, and it has no good backup" in done.stdout
    assert "Left out on purpose: scratch\n" in done.stdout
    assert "1 of 2 VMs not protected; the pool was looked at 0 min ago" in done.stdout
    facts = json_of(crowd.cli("status", "--json"))
    (backup,) = crowd.backups()
    assert facts["status"] == "CRITICAL"
    assert [(vm["vm"], vm["state"], vm["backup"]) for vm in facts["vms"]] == [  # type: ignore[attr-defined]
        ("printer", "unprotected", None),
        ("web 01", "protected", backup.address),
        ("scratch", "excluded", None),
    ]
    done = crowd.cli("status", "--nagios")
    assert done.returncode == 2
    assert done.stdout.startswith("VMBACKUP CRITICAL - 1 of 2 VMs not protected: printer (unprotected), ")


def test_all_is_well_and_later_too_old(world: World) -> None:
    assert exit_code(world.run()) == 0
    assert world.cli("status").returncode == 0
    done = world.cli("status", "--nagios", "--max-age", "8d")
    assert done.returncode == 0
    assert done.stdout.startswith("VMBACKUP OK - 1 of 1 VMs protected")
    assert verdicts(world, ahead=timedelta(hours=25)) == {"web 01": "protected"}
    assert verdicts(world, ahead=timedelta(hours=27)) == {"web 01": "too old"}


def sole(found: Status) -> Standing:
    (standing,) = found.standings
    return standing


def test_verifications_rehearsals_and_damage_are_known(world: World) -> None:
    world.run()
    assert world.cli("verify", "--all").returncode == 0
    assert sole(status(world)).verified is not None
    image = next(world.target.rglob("image.xva"))
    image.chmod(0o600)
    data = bytearray(image.read_bytes())
    data[len(data) // 2] ^= 1
    image.write_bytes(data)
    assert world.cli("verify", "--all").returncode == 13
    found = status(world)
    assert sole(found).verdict == "damaged"
    assert sole(found).newest is None
    assert exit_code(world.run()) == 0
    found = status(world)
    assert sole(found).verdict == "protected"
    assert "was found wrong" in sole(found).notes[0]


def test_a_target_that_is_away_is_unknown_whatever_the_others_say(world: World, tmp_path: Path) -> None:
    other = tmp_path / "usb"
    other.mkdir()
    usb = f'[targets.usb]\ntype = "local"\npath = "{other}"\nid = "{"0" * 8}"\n'
    world.configure(job("web*"), head=world.head + usb)
    assert exit_code(world.run()) == 0
    done = world.cli("status", "--nagios")
    assert done.returncode == 3
    assert done.stdout.startswith(
        "VMBACKUP UNKNOWN - cannot be read: usb (target usb: there is no vmbackup-target.json"
    )
    done = world.cli("status")
    assert done.returncode == 10
    assert "away usb: target usb: there is no vmbackup-target.json" in done.stdout
    assert world.cli("status", "--target", "disk").returncode == 0
    shutil.rmtree(other)
    assert world.cli("status", "--nagios").returncode == 3


def test_who_could_not_be_told_is_shown(world: World, tmp_path: Path) -> None:
    report = f'\n[reporters.archive]\ntype = "json"\npath = "{tmp_path}/absent"\n'
    world.configure(job("web*", more='report = ["archive"]') + report)
    assert exit_code(world.run()) == 0
    done = world.cli("status")
    assert done.returncode == 0
    assert "warning test: reporter archive: the report could not be written" in done.stdout
    done = world.cli("status", "--nagios")
    assert done.returncode == 1
    assert ", 1 warning, " in done.stdout.partition("\n")[0]


def test_a_plugin_of_nagios_never_answers_with_a_code_of_ours(world: World) -> None:
    for arguments in (["--target", "none"], ["--max-age", "soon"], ["--max-age", "999999999d"], ["--config", "/none"]):
        done = world.cli("status", "--nagios", *arguments)
        assert done.returncode == 3, arguments
        (line,) = done.stdout.splitlines()
        assert line.startswith("VMBACKUP UNKNOWN - ")
        assert world.cli("status", *arguments).returncode == 2


def test_the_pool_is_not_asked(world: World, pool: Simulator) -> None:
    world.run()
    pool.stop()
    assert world.cli("status").returncode == 0


HANGS = """
import threading
from vmbackup import hookimpl
from vmbackup_targets.local import Local

class Hangs(Local):
    name = "hangs"

    def entries(self, prefix=""):
        threading.Event().wait()

@hookimpl
def vmbackup_register():
    return [Hangs]
"""


def test_a_target_that_hangs_is_away_and_costs_nobody_the_others(world: World, tmp_path: Path) -> None:
    world.run()
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o700)
    (plugins / "hangs.py").write_text(HANGS)
    more = f'[plugins]\npaths = ["{plugins}"]\n[targets.slow]\ntype = "hangs"\n'
    more += f'id = "{world.identity}"\npath = "{world.target}"\n'
    world.configure(job("web*"), head=world.head + more)
    seen = survey(open_site(world.config), ["slow", "disk"], datetime.now(UTC), stall=5)
    assert seen.targets == ("disk",)
    ((label, message),) = seen.away
    assert label == "slow"
    assert "slow" in message
    assert len(seen.backups) == 1
