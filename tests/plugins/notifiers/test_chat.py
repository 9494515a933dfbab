import json
import socket
import ssl
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from tests.plugins.notifiers.irc_server import CHANNEL, irc
from tests.plugins.notifiers.mail_server import Authority
from tests.plugins.notifiers.web_server import WebServer

from vmbackup import NotifyError, Report
from vmbackup.conformance import reports
from vmbackup_notifiers.chat import Chat, ChatSettings
from vmbackup_notifiers.chat.brief import brief, calm
from vmbackup_notifiers.chat.messenger import hidden
from vmbackup_notifiers.chat.sender import Sender
from vmbackup_notifiers.subject import subject

TOKEN = "canary4kToken9zQ8w7"


def chat(url: str, **settings: object) -> Chat:
    return Chat("team", ChatSettings.model_validate({"url": url, "retries": 0, "retry-wait": 0.01, **settings}))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


def test_a_message_arrives_in_a_channel_of_a_real_server(tmp_path: Path, report: Report) -> None:
    with irc(tmp_path) as (port, listener):
        chat(f"irc://xobot@127.0.0.1:{port}/%23{CHANNEL[1:]}?join=yes").notify(report)
        heard = listener.hears("warning store")
    said = "\n".join(heard)
    assert subject(report) in said
    assert "FAILED PROD-db on nas: store: target nas: No space left on device" in said


def test_what_mattermost_is_sent(server: WebServer, report: Report) -> None:
    chat(f"mmost://127.0.0.1:{server.server_port}/{TOKEN}").notify(report)
    (request,) = server.got
    assert request.path == f"/hooks/{TOKEN}"
    assert request.headers["Content-Type"] == "application/json"
    text = json.loads(request.body)["text"]
    assert subject(report) in text
    assert "FAILED PROD-db on nas: store: target nas: No space left on device" in text


def test_what_slack_is_sent(
    authority: Authority, tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack's own address, to which a proxy leads that has a certificate for it."""
    context = authority.context(tmp_path, x509.DNSName("hooks.slack.com"))
    loud = replace(report.results[1], vm="<!channel> @here <https://evil.example|web>")
    told = replace(report, results=(loud,), failures=(), warnings=())
    with WebServer(behind=context) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        chat("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23ops", ca=authority.ca).notify(told)
    assert proxy.asked_for == ["hooks.slack.com:443"]
    (request,) = proxy.got
    assert request.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    sent = json.loads(request.body)
    assert sent["channel"] == "#ops"
    (attachment,) = sent["attachments"]
    assert attachment["title"] == subject(told)
    assert "No space left on device" in attachment["text"]
    whole = request.body.decode()
    assert "<!channel>" not in whole
    assert "@here" not in whole
    assert "<https" not in whole


def test_the_certificate_is_checked(server_tls: ssl.SSLContext, authority: Authority, report: Report) -> None:
    with WebServer(server_tls) as server:
        url = f"jsons://127.0.0.1:{server.server_port}/{TOKEN}"
        with pytest.raises(NotifyError, match="was not taken"):
            chat(url).notify(report)
        assert server.got == []
        chat(url, ca=authority.ca).notify(report)
        assert len(server.got) == 1


def test_what_fails_is_tried_again(server: WebServer, report: Report) -> None:
    server.answers = [503, 200]
    chat(f"json://127.0.0.1:{server.server_port}/", retries=1).notify(report)
    assert len(server.got) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"nosuch://{TOKEN}", "its url is none that apprise knows"),
        (TOKEN, "its url is none that apprise knows"),
        (f"json://127.0.0.1:{{port}}/lost/{TOKEN}", "the message was not taken: .*404"),
        (f"json://user:{TOKEN}@127.0.0.1:1/", "the message was not taken: A Connection error"),
        (f"mmost://127.0.0.1:1/{TOKEN}", "the message was not taken"),
        (f"mailto://user:{TOKEN}@127.0.0.1:1?from=a@example.edu&to=b@example.edu", "the message was not taken"),
        (f"irc://xobot:{TOKEN}@127.0.0.1:1/%23backups", "the message was not taken"),
    ],
)
def test_what_is_not_sent_is_said_and_no_token_shown(server: WebServer, report: Report, url: str, words: str) -> None:
    with pytest.raises(NotifyError, match=f"notifier team: {words}") as raised:
        chat(url.format(port=server.server_port)).notify(report)
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
    assert raised.value.advice


def test_a_service_that_hangs_is_given_up(report: Report) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(NotifyError, match="not sent within 3 s"):
            chat(f"json://127.0.0.1:{port}/{TOKEN}?rto=60&cto=60", timeout=3).notify(report)


def test_what_hangs_or_has_died_does_not_keep_the_next_message(server: WebServer, report: Report) -> None:
    sending = Sender({})
    message = {"title": "t", "body": "b", "kind": "success"}
    good = {**message, "url": f"json://127.0.0.1:{server.server_port}/"}
    assert sending.send(good, 60) == {"sent": True, "why": ""}
    first = sending._process
    assert first is not None
    assert sending.send(good, 60) == {"sent": True, "why": ""}
    assert sending._process is first
    first.kill()
    first.wait()
    with pytest.raises(EOFError):
        sending.send(good, 60)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(TimeoutError):
        sending.send({**message, "url": f"json://127.0.0.1:{listening.getsockname()[1]}/?rto=60"}, 3)
    assert sending.send(good, 60) == {"sent": True, "why": ""}
    last = sending._process
    assert last is not None
    del sending
    assert last.returncode is not None, "it ends with whoever began it"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("web@host", "web@ host"),
        ("<!channel>", "< !channel>"),
        ("<@U123> and @everyone", "< @ U123> and @ everyone"),
        ("[click](https://evil.example)", "[click]( https://evil.example)"),
        ("a < b, c@ d", "a < b, c@ d"),
        ("two\nlines\x1b[2J", "two lines [2J"),
    ],
)
def test_nobody_is_called_by_a_name(line: str, shown: str) -> None:
    assert calm(line) == shown


@pytest.mark.parametrize("shape", reports())
def test_a_message_is_short(shape: str) -> None:
    lines = brief(reports()[shape]).split("\n")
    assert 1 <= len(lines) <= 14
    assert all(len(line) <= 310 and line.isprintable() for line in lines)


def test_failures_come_before_warnings_and_what_is_left_out_is_counted() -> None:
    bad = reports()["a failed run"]
    told = replace(bad, results=bad.results * 20, warnings=reports()["a run with warnings"].warnings)
    lines = brief(told).splitlines()
    assert lines[1] == "FAILED db on nas: export: target nas: No space left on device"
    assert lines[-1] == "… and 9 more"
    assert brief(reports()["a good run"]) == "1.5 GiB stored, in 2 h 00 min"


@pytest.mark.parametrize(
    "said",
    ["no {0}", "POST https://hooks.slack.com/services/T1/{0} failed", "user:{0}@host", "%7E{0}", "{0}{0}"],
)
def test_no_part_of_an_address_is_said(said: str) -> None:
    for url in (f"slack://T1/{TOKEN}/#ops", f"json://user:{TOKEN}@host/?a={TOKEN}", f"x://{TOKEN}"):
        assert TOKEN not in hidden(said.format(TOKEN), url)
    for written in (f"%7E{TOKEN}", f"~{TOKEN}"):
        assert TOKEN not in hidden(said.format(written), f"x://%7E{TOKEN}")
