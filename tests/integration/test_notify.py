"""Who is told of a run, when nobody can be reached, and by the command line."""

import email
import email.policy
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import World, command, job, json_of
from tests.plugins.notifiers.mail_server import Serve
from tests.plugins.notifiers.web_server import WebServer

from vmbackup.errors import ConfigError
from vmbackup.simulator import DiskSpec, TaskFails


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


def told_to(world: World, server: WebServer, more: str = "", kind: str = "webhook") -> None:
    """A job that tells a web server."""
    notifier = f'[notifiers.site]\ntype = "{kind}"\nurl = "{server.url("/hook")}"\nretries = 0\n{more}\n'
    world.configure(notifier + job("web*", more='notify = ["site"]\n'))


def results(server: WebServer) -> list[str]:
    return [json.loads(request.body)["data"]["result"] for request in server.got]


def spool(world: World) -> list[Path]:
    return list((world.folder / "state" / "spool").rglob("*.json"))


def test_a_real_mail_server_has_the_subject(world: World, serve: Serve) -> None:
    mailbox = serve()
    world.pool.add_vm("web 02", [DiskSpec(1 << 20, seed=3)])
    world.configure(
        f'[notifiers.ops]\ntype = "email"\nhost = "127.0.0.1"\nport = {mailbox.port}\ntls = "none"\n'
        f'from = "a@example.edu"\nto = ["b@example.edu"]\n' + job("web*", more='notify = ["ops"]\n')
    )
    world.run()
    world.pool.faults.add(TaskFails(code="VDI_IO_ERROR", nth=1))
    world.run()
    subjects = [
        email.message_from_bytes(mail.content, policy=email.policy.default)["Subject"] for mail in mailbox.mails
    ]
    pool = world.backups()[0].manifest.pool.name
    assert subjects == [
        f"[vmbackup] good test: 2 of 2 VMs on pool {pool}",
        f"[vmbackup] FAILED test: 1 of 2 VMs on pool {pool}",
    ]


def test_what_could_not_be_told_changes_no_result_and_is_told_by_the_next_run(world: World, server: WebServer) -> None:
    told_to(world, server)
    server.answers = [500, 500]
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stderr
    assert "warning notifier site: notifier site: 127.0.0.1 answered 500" in done.stdout
    assert "it is kept for the next run" in done.stdout
    assert world.cli("run", "test", "--strict").returncode == 5
    assert len(spool(world)) == 2
    server.got.clear()
    done = world.cli("run", "test", "--strict")
    assert done.returncode == 0, done.stdout
    assert len(server.got) == 3
    assert len({request.headers["webhook-id"] for request in server.got}) == 3
    assert spool(world) == []


def test_what_was_kept_is_told_by_flush(world: World, server: WebServer) -> None:
    told_to(world, server)
    assert "Nothing is kept." in world.cli("notify", "flush").stdout
    server.answers = [500, 500]
    world.run()
    done = world.cli("notify", "flush")
    assert done.returncode == 1
    assert "kept site: test of 20" in done.stdout
    assert "answered 500" in done.stdout
    assert len(spool(world)) == 1
    done = world.cli("notify", "flush", "--json")
    assert done.returncode == 0, done.stderr
    told = json_of(done)["told"]
    assert [(one["notifier"], one["told"], one["run"]["job"]) for one in told] == [("site", True, "test")]  # type: ignore[attr-defined]
    assert results(server) == ["good"] * 3
    assert spool(world) == []
    assert world.cli("notify", "flush", "nobody").returncode == 2


def test_what_is_kept_for_a_notifier_that_is_gone_is_said(world: World, server: WebServer) -> None:
    told_to(world, server)
    server.answers = [500]
    world.run()
    world.configure(job("web*"))
    done = world.cli("notify", "flush")
    assert done.returncode == 0
    assert "kept site: the configuration has no such notifier" in done.stdout
    assert len(spool(world)) == 1


def test_a_sample_is_sent_at_once(world: World, server: WebServer) -> None:
    told_to(world, server, 'when = "failure"\njobs = ["test"]')
    done = world.cli("notify", "test", "site")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "site: the sample was taken\n"
    (request,) = server.got
    assert json.loads(request.body)["data"]["report"]["run"]["job"] == "sample"
    assert world.cli("notify", "test", "site").returncode == 0
    assert server.got[0].headers["webhook-id"] != server.got[1].headers["webhook-id"], "another, not the same again"
    server.answers = [404]
    done = world.cli("notify", "test", "site")
    assert done.returncode == 1
    assert "answered 404" in done.stderr
    assert "Traceback" not in done.stderr
    assert spool(world) == []
    assert world.cli("notify", "test", "nobody").returncode == 2


def test_which_runs_are_told(world: World, server: WebServer) -> None:
    told_to(world, server, 'when = "change"\nvms = ["web*"]')
    world.run()
    world.run()
    world.pool.faults.add(TaskFails(code="VDI_IO_ERROR"))
    world.run()
    world.pool.faults.clear()
    world.run()
    assert results(server) == ["good", "failed", "good"]


def test_a_dead_man_s_switch_hears_of_the_start_and_of_the_end(world: World, server: WebServer) -> None:
    told_to(world, server, kind="ping")
    assert world.cli("run", "test").returncode == 0
    (world.folder / "pool.password").write_text("wrong")
    assert world.cli("run", "test").returncode == 12
    paths = [request.path.partition("?") for request in server.got]
    assert [path for path, _, _ in paths] == ["/hook/start", "/hook", "/hook/fail"]
    assert paths[0][2] == paths[1][2] != paths[2][2]


def test_a_run_that_is_killed_while_it_tells_loses_nothing(world: World, server: WebServer) -> None:
    told_to(world, server)
    server.held.clear()
    with subprocess.Popen(command("run", "test"), env=world.environ(), stdout=subprocess.DEVNULL) as running:
        assert server.asked.wait(100)
        running.send_signal(signal.SIGKILL)
    server.held.set()
    assert len(spool(world)) == 1
    assert world.cli("notify", "flush").returncode == 0
    ids = {request.headers["webhook-id"] for request in server.got}
    assert len(ids) == 1, "whether the first was taken nobody could know; the receiver can"
    assert spool(world) == []


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('when = "sometimes"', "notifiers.site.when"),
        ('jobs = ["nosuch"]', "there is no job 'nosuch'; there is test"),
        ('results = ["bad"]', "notifiers.site.results"),
        ('vms = ["/(/"]', "is not a regular expression"),
        ('whem = "always"', "there is no such key"),
    ],
)
def test_a_wrong_section_is_named(world: World, server: WebServer, section: str, words: str) -> None:
    told_to(world, server, section)
    site = world.site()
    with pytest.raises(ConfigError, match=re.escape(words)) as of_job:
        site.job("test")
    with pytest.raises(ConfigError, match=re.escape(words)) as of_notifier:
        site.notifier("site")
    assert of_job.value.message == of_notifier.value.message
    assert of_job.value.message.startswith(f"{world.config}:")
