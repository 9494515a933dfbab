"""Mirrors on real servers during whole runs: what arrives, and what is left when a server dies."""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from tests.integration.world import MIB, World, job
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.mirrors.servers import PASSWORD, Daemon, Server, Sshd

from vmbackup.conformance import FolderPlace
from vmbackup.registry import Registry
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

DOCS = Path(__file__).parents[2] / "docs" / "mirrors.md"


@dataclass
class Kind:
    """A mirror of one kind: its server, and the section that leads there through a proxy."""

    server: Server
    section: Callable[[int], str]


def rsync(folder: Path) -> Kind:
    server = Daemon(folder)
    return Kind(
        server,
        lambda port: (
            f"""
[mirrors.far]
type = "rsync"
to = "rsync://vmbackup@127.0.0.1:{port}/backups"
password = "{PASSWORD}"
timeout = 10
"""
        ),
    )


def sftp(folder: Path) -> Kind:
    server = Sshd(folder)
    key = asyncssh.read_public_key(folder / "host.pub").get_fingerprint()
    return Kind(
        server,
        lambda port: (
            f"""
[mirrors.far]
type = "sftp"
host = "127.0.0.1"
port = {port}
folder = "{server.root}"
username = "root"
identity = "{server.identity}"
fingerprint = "{key}"
timeout = 10
"""
        ),
    )


KINDS = [rsync, sftp]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    made: Kind = request.param(tmp_path / "server")
    made.server.start()
    yield made
    made.server.kill()


@pytest.fixture
def proxy(kind: Kind) -> Iterator[Proxy]:
    with Proxy(kind.server.port) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, pool: Simulator, kind: Kind, proxy: Proxy) -> World:
    pool.add_vm("web 0", [DiskSpec(18 * MIB, seed=1, fill=0.9)])
    world = World(tmp_path, pool)
    world.configure(job("web*", more='mirrors = ["far"]'), head=world.head + kind.section(proxy.port))
    world.init_target()
    return world


def expect_equal(world: World, root: Path) -> None:
    """What is there is byte for byte what is here, and nothing else is."""
    mine = FolderPlace(world.target).arrived("")
    theirs = FolderPlace(root).arrived("")
    assert theirs == {key: data for key, data in mine.items() if "/" in key and not key.startswith("runs/")}
    assert [key for key in theirs if key.endswith("/manifest.json")]


def test_a_run_copies_and_later_removes(world: World, kind: Kind) -> None:
    for _ in range(2):
        report = world.run()
        assert exit_code(report, strict=True) == 0, report.all_warnings
        assert [(one.did, one.failure) for one in report.mirrored] == [("copied", None)]
        expect_equal(world, kind.server.root)
    assert world.cli("mirror").stdout == "the mirrors lack nothing\n"
    world.config.write_text(world.config.read_text().replace("[mirrors.far]", "[mirrors.far]\nkeep = { last = 1 }"))
    done = world.cli("mirror")
    assert done.stdout.startswith("removed far: ")
    assert len(list(kind.server.root.rglob("manifest.json"))) == 1
    assert len(list(kind.server.root.rglob("begun.json"))) == 1


def test_a_server_that_is_killed_in_mid_copy_costs_nothing_and_gets_the_rest_later(
    world: World, kind: Kind, proxy: Proxy
) -> None:
    proxy.after, proxy.event = 6 * MIB, kind.server.kill
    report = world.run()
    assert exit_code(report) == 0
    assert exit_code(report, strict=True) == 5
    failures = [one.failure for one in report.mirrored if one.failure]
    assert failures
    assert all(failure.message.startswith("far: ") for failure in failures)
    assert [verdict.good for verdict in world.verify_all()] == [True]
    assert not list(kind.server.root.rglob("manifest.json"))
    assert list(kind.server.root.rglob("*"))
    kind.server.start()
    done = world.cli("mirror")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("copied far: ")
    expect_equal(world, kind.server.root)


def test_the_sections_of_the_documentation_are_taken() -> None:
    registry = Registry.installed()
    blocks = re.findall(r"^```toml\n(.*?)```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    sections = [tomllib.loads(block.replace("\n# …", "")).get("mirrors", {}) for block in blocks]
    made = {
        registry.mirror(label, {key: value for key, value in section.items() if key != "keep"}).name
        for found in sections
        for label, section in found.items()
    }
    assert made == {name for kind, name in registry.plugins if kind == "mirror"}
