"""Two folders, one of which is not there: the backups on the other can be made, listed, verified and restored."""

import uuid
from datetime import UTC, datetime

import pytest
from tests.integration.world import World

from vmbackup.manifest import IDENTITY, Identity
from vmbackup.results import exit_code

JOB = """
[jobs.test]
targets = ["disk", "usb"]
keep = { last = 2 }
[[jobs.test.vms]]
match = "web*"
"""


@pytest.fixture
def unplugged(world: World) -> World:
    """A world with a second target that held a backup, and is now an empty folder."""
    identity, usb = str(uuid.uuid4()), world.folder / "usb"
    usb.mkdir(mode=0o700)
    world.configure(JOB, head=f'{world.head}\n[targets.usb]\ntype = "local"\nid = "{identity}"\npath = "{usb}"\n')
    repository = world.site().repository("usb")
    with repository.target:
        repository.initialise(Identity(id=identity, label="usb", created=datetime.now(UTC)))
    assert exit_code(world.run()) == 0
    usb.rename(world.folder / "in the drawer")
    usb.mkdir()
    return world


def test_a_run_says_what_is_on_some_targets_only_and_a_missing_target_once(unplugged: World) -> None:
    done = unplugged.cli("run", "test")
    assert done.returncode == 3
    assert "on 1 of 2" in done.stdout
    assert done.stdout.count("failed test: prepare: target usb: there is no vmbackup-target.json on it") == 1
    assert "web 01 on usb" not in done.stdout
    assert "0 good, 1 on some targets only, 1 failed" in done.stdout


def test_the_others_backups_are_listed(unplugged: World) -> None:
    done = unplugged.cli("list")
    assert done.returncode == 10
    assert "disk:web 01@" in done.stdout
    assert f"away usb: target usb: there is no {IDENTITY} on it" in done.stdout
    assert unplugged.cli("list", "--target", "disk").returncode == 0
    named = unplugged.cli("list", "--target", "usb")
    assert (named.returncode, named.stdout) == (10, "")


def test_the_others_backups_are_shown_verified_and_restored_with_a_warning(unplugged: World) -> None:
    for command in (("show",), ("verify",), ("restore", "--as", "again")):
        done = unplugged.cli(command[0], "web 01@latest", *command[1:])
        assert done.returncode == 0, done.stderr
        assert "warning: usb is left out: target usb: there is no" in done.stderr


def test_a_verification_of_everything_is_not_complete(unplugged: World) -> None:
    done = unplugged.cli("verify", "--all")
    assert done.returncode == 15
    assert done.stdout.splitlines()[-1] == "1 good, 0 wrong, 1 could not be read"


def test_where_no_target_is_there_nothing_can_be_chosen(unplugged: World) -> None:
    (unplugged.target / IDENTITY).unlink()
    for command in ("show", "restore"):
        done = unplugged.cli(command, "web 01@latest")
        assert done.returncode == 10
        assert "vmbackup target init" in done.stderr
