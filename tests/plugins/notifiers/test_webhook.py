import base64
import json
import re
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError
from tests.plugins.notifiers.mail_server import Authority
from tests.plugins.notifiers.web_server import Request, WebServer

from vmbackup import NotifyError, Report, exit_code
from vmbackup.conformance import reports
from vmbackup_notifiers.subject import subject
from vmbackup_notifiers.webhook import Webhook, WebhookSettings

ROOT = Path(__file__).parents[3]
KEY = base64.b64encode(b"a key of twenty-four byte").decode()
CANARY = "canary-7fd1c2"


def webhook(url: str, **settings: object) -> Webhook:
    section = {"url": url, "timeout": 5, "retry-wait": 0.01, **settings}
    return Webhook("site", WebhookSettings.model_validate(section))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


def headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def test_it_sends_what_the_report_says(server: WebServer, report: Report) -> None:
    webhook(server.url("/hooks/backup?team=ops")).notify(report)
    (request,) = server.got
    assert request.path == "/hooks/backup?team=ops"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("vmbackup/")
    assert "webhook-signature" not in headers(request)
    sent = json.loads(request.body)
    assert sent["type"] == "vmbackup.run.finished"
    data = sent["data"]
    assert (data["subject"], data["result"], data["exit_code"]) == (subject(report), "failed", exit_code(report))
    assert data["report"]["run"]["job"] == "weekend"
    assert [result["vm"] for result in data["report"]["results"]] == ["PROD-web", "PROD-db", "DEV-RH9-büro"]


@pytest.mark.parametrize("secret", ["a secret of ours", f"whsec_{KEY}"])
def test_a_receiver_of_standard_webhooks_takes_it_and_no_other(server: WebServer, report: Report, secret: str) -> None:
    webhook(server.url(), secret=secret).notify(report)
    (request,) = server.got
    key = secret if secret.startswith("whsec_") else base64.b64encode(secret.encode()).decode()
    taken = Receiver(key).verify(request.body, headers(request))
    assert taken["data"]["result"] == "failed"
    with pytest.raises(WebhookVerificationError):
        Receiver(key).verify(request.body.replace(b"failed", b"good"), headers(request))
    with pytest.raises(WebhookVerificationError):
        Receiver(base64.b64encode(b"another key").decode()).verify(request.body, headers(request))


def test_the_documented_receiver_takes_it_and_no_other(server: WebServer, report: Report) -> None:
    """The snippet of docs/notifiers.md, as it stands."""
    page = (ROOT / "docs" / "notifiers.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?def is_genuine.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own page
    is_genuine = names["is_genuine"]
    webhook(server.url(), secret="a secret of ours").notify(report)
    (request,) = server.got
    sent = headers(request)
    assert is_genuine("a secret of ours", sent, request.body)
    assert not is_genuine("another", sent, request.body)
    assert not is_genuine("a secret of ours", sent, request.body + b" ")
    assert not is_genuine("a secret of ours", {**sent, "webhook-id": "msg_1"}, request.body)
    old = {**sent, "webhook-timestamp": str(int(time.time()) - 3600)}
    assert not is_genuine("a secret of ours", old, request.body)


def test_what_is_sent_again_has_the_same_id(server: WebServer, report: Report) -> None:
    server.answers = [503, 429, 200]
    webhook(server.url()).notify(report)
    webhook(server.url()).notify(report)
    webhook(server.url()).notify(reports()["a good run"])
    Webhook("other", webhook(server.url()).settings).notify(report)
    ids = [request.headers["webhook-id"] for request in server.got]
    assert len(ids) == 6
    assert len(set(ids[:4])) == 1
    assert len(set(ids[3:])) in {2, 3}
    assert ids[5] != ids[0]


def test_it_gives_up_in_the_end(server: WebServer, report: Report) -> None:
    server.answers = [503] * 9
    with pytest.raises(NotifyError, match=r"notifier site: 127\.0\.0\.1 answered 503") as raised:
        webhook(server.url(), retries=3).notify(report)
    assert len(server.got) == 4
    assert raised.value.code == "NotifyError"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410])
def test_what_will_not_pass_is_not_tried_again_and_nobody_is_followed(
    server: WebServer, report: Report, status: int
) -> None:
    server.answers = [status]
    with pytest.raises(NotifyError, match=f"answered {status}"):
        webhook(server.url()).notify(report)
    assert [request.path for request in server.got] == ["/"]


def test_a_login_in_the_address_goes_into_a_header(server: WebServer, report: Report) -> None:
    webhook(server.url(login="ann%40x:p%3Aw@")).notify(report)
    (request,) = server.got
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'ann@x:p:w').decode()}"
    assert request.path == "/"


def test_the_certificate_is_checked(
    server_tls: ssl.SSLContext, misnamed_tls: ssl.SSLContext, authority: Authority, report: Report, tmp_path: Path
) -> None:
    with WebServer(server_tls) as server, WebServer(misnamed_tls) as misnamed:
        webhook(server.url(), ca=authority.ca).notify(report)
        for wrong in (webhook(server.url()), webhook(misnamed.url(), ca=authority.ca)):
            with pytest.raises(NotifyError, match="could not be trusted"):
                wrong.notify(report)
        with pytest.raises(NotifyError, match=r"absent\.pem: no CA certificates"):
            webhook(server.url(), ca=tmp_path / "absent.pem").notify(report)
        assert (len(server.got), misnamed.got) == (1, [])


def test_a_server_that_is_not_there(report: Report) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotifyError, match="could not be reached: Connection refused"):
            webhook(f"http://127.0.0.1:{bound.getsockname()[1]}/{CANARY}", retries=1).notify(report)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"\xff" * 70000, b"HTTP/1.1 200"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_does_not_speak_http(report: Report, scheme: str, answer: bytes) -> None:
    """With an empty answer it says nothing for longer than we wait."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def speak() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(answer)
                if not answer:
                    done.wait(10)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/{CANARY}"
        with pytest.raises(NotifyError) as raised:
            webhook(url, timeout=0.3, retries=0).notify(report)
        done.set()
        thread.join(10)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "url",
    [
        "",
        CANARY,
        f"ftp://{CANARY}/x",
        f"https:///{CANARY}",
        f"https://[{CANARY}/x",
        f"https://example.edu:{CANARY}/x",
        f"https://example.edu/{CANARY} x",
        f"https://example.edu/{CANARY}\r\nX: y",
        f"https://example.edu/{CANARY}ü",
    ],
)
def test_an_address_that_cannot_be_used_is_said_and_not_shown(report: Report, url: str) -> None:
    with pytest.raises(NotifyError, match="its url cannot be used") as raised:
        webhook(url).notify(report)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_secret_that_is_no_base64_is_said_and_not_shown(server: WebServer, report: Report) -> None:
    with pytest.raises(NotifyError, match="not base64") as raised:
        webhook(server.url(), secret=f"whsec_{CANARY}!").notify(report)
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    assert server.got == []
