"""No secret is seen anywhere: not in what is printed, logged, kept, sent or told, nor in the list of processes."""

import contextlib
import email.policy
import json
import os
import socket
import socketserver
import ssl
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.canaries import SECTIONS, canaries, files, sections, seen, watching
from tests.integration.world import World, job
from tests.plugins.notifiers.mail_server import PASSWORD, Authority, Serve
from tests.plugins.notifiers.web_server import WebServer

from vmbackup.conformance import reports
from vmbackup.contracts import Mirror, Notifier, Target
from vmbackup.settings import SecretSource

WORDS = [canary.word for canary in canaries()]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


class Echo(socketserver.ThreadingTCPServer):
    """Says back whatever it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        connection: socket.socket = self.request
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[int]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_every_secret_of_a_bundled_plugin_has_a_canary() -> None:
    """Whoever gives a plugin a secret gives it a section here."""
    assert {(canary.kind, canary.plugin) for canary in canaries()} == set(SECTIONS)
    assert len(set(WORDS)) == len(WORDS) >= 12


def configured(world: World, port: int, mail: int, authority: Authority) -> dict[str, list[str]]:
    """A job of all plugins that have secrets, with servers on these ports, and with the pool's own."""
    text, labels = sections(world.folder, port, mail)
    (world.folder / "ca.pem").write_bytes(authority.ca.read_bytes())
    (world.folder / "rclone.conf").write_text(f"[far]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\n")
    (world.folder / "key").write_bytes(b"no key")
    targets = ["disk", *labels["target"]]
    more = f"notify = {json.dumps(labels['notifier'])}\nmirrors = {json.dumps(labels['mirror'])}\n"
    whole = job("web*", more=f'{more}report = ["archive", "pages", "texts"]\n').replace('["disk"]', json.dumps(targets))
    (world.folder / "reports").mkdir()
    kinds = {"archive": "json", "pages": "html", "texts": "text"}
    for label, kind in kinds.items():
        text += f'[reporters.{label}]\ntype = "{kind}"\npath = "{world.folder}/reports"\n'
    world.configure(text + whole)
    return labels


def outputs(world: World, *commands: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """What commands print, with all that there is to be told of calls."""
    told = []
    for command in commands:
        done = world.cli(*command, env={"VMBACKUP_TRACE": "1", "PATH": PATH})
        told.append((" ".join(command), f"{done.returncode}\n{done.stdout}\n{done.stderr}".encode()))
    return told


def kept(world: World) -> list[tuple[str, bytes]]:
    """What lies in the state folder, on the target, and where reports are written."""
    return [each for name in ("state", "target", "reports") for each in files(world.folder / name)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", ["closed", "echo"])
def test_no_secret_is_seen_where_nothing_can_be_reached(
    world: World,
    *,
    way: str,
    authority: Authority,
    serve: Serve,
    server_tls: ssl.SSLContext,
    request: pytest.FixtureRequest,
) -> None:
    port = request.getfixturevalue(way)
    mail = serve(starttls=server_tls).port if way == "echo" else port
    labels = configured(world, port, mail, authority)
    words = [*WORDS, world.pool.password]
    with watching() as processes:
        told = outputs(
            world,
            ("run", "test"),
            ("run", "test", "--json"),
            ("run", "test", "--log-format", "json"),
            ("status",),
            ("site", f"{world.folder}/reports/site"),
            ("notify", "flush"),
            ("notify", "test", "webhook"),
        )
    runs = [text.decode() for name, text in told if name.startswith("run")]
    for label in (*labels["target"], *labels["mirror"], *labels["notifier"]):
        assert all(label in text for text in runs), f"{label} has not failed, and so shows nothing"
    assert all("is kept for the next run" in text for text in runs)
    lie = kept(world)
    assert {Path(name).suffix for name, _ in lie} >= {".html", ".json", ".txt"}
    assert {Path(name).parent.name for name, _ in lie if "/spool/" in name} == set(labels["notifier"])
    assert any(b"messenger.py" in line for line in processes), "the processes were not looked at"
    assert seen([*told, *lie, *(("ps", line) for line in processes)], words) == []


def test_no_secret_is_in_the_trace_of_an_error(
    world: World, closed: int, echo: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", PATH)
    labels = configured(world, closed, closed, authority)
    site = world.site()
    traces = []
    for label in labels["target"]:
        target: Target[object] = site.repository(label).target  # type: ignore[type-var]
        with pytest.raises(Exception) as raised, target:  # noqa: PT011 - any; the trace is looked at
            target.stat("a")
        traces.append((label, raised.value))
    for label in labels["mirror"]:
        mirror: Mirror[object] = site.mirror(label)[0]  # type: ignore[type-var]
        with pytest.raises(Exception) as raised, mirror:  # noqa: PT011
            list(mirror.holds())
        traces.append((label, raised.value))
    for label in labels["notifier"]:
        notifier: Notifier[object] = site.notifier(label)  # type: ignore[type-var]
        with pytest.raises(Exception) as raised:  # noqa: PT011
            notifier.notify(reports()["a failed run"])
        traces.append((label, raised.value))
    assert len(traces) == sum(map(len, labels.values())) >= 10
    written = [(name, "".join(traceback.format_exception(error)).encode()) for name, error in traces]
    assert seen(written, WORDS) == []


def test_no_secret_is_in_what_is_told(
    world: World, authority: Authority, serve: Serve, server_tls: ssl.SSLContext
) -> None:
    mailbox = serve(starttls=server_tls)
    with WebServer() as server:
        labels = configured(world, server.server_port, mailbox.port, authority)
        path = world.folder / "secrets" / "notifier.email.password"
        path.write_text(PASSWORD)
        text = world.config.read_text().replace(json.dumps(["disk", *labels["target"]]), '["disk"]')
        world.config.write_text(text.replace(f"mirrors = {json.dumps(labels['mirror'])}", ""))
        told = outputs(world, ("run", "test", "--json"))
        words = [*WORDS, PASSWORD, world.pool.password]
        assert told[0][1].startswith(b"0\n"), told
        (mail,) = mailbox.mails
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
        assert len(parts) == 2
        bodies = [(request.path[:6], request.body) for request in server.got]
        assert len(bodies) == 4, "a message, a hook, and two pings"
    lie = kept(world)
    assert seen([*told, *lie, *bodies, *(("mail", part.encode()) for part in parts)], words) == []
    assert list((world.folder / "state" / "spool").rglob("*.json")) == []


def test_a_secret_does_not_show_itself() -> None:
    source = SecretSource.model_validate({"value": "canary"})
    assert "canary" not in f"{source!r} {source} {source.model_dump()} {source.model_dump_json()}"
