"""What every notifier promises."""

import ssl
from collections.abc import Callable, Iterator

import pytest
from tests.plugins.notifiers.mail_server import PASSWORD, USERNAME, Authority, Mailbox, Serve
from tests.plugins.notifiers.web_server import WebServer

from vmbackup.testing import NotifierContract
from vmbackup_notifiers.chat import Chat, ChatSettings
from vmbackup_notifiers.email import Email, EmailSettings
from vmbackup_notifiers.ping import Ping, PingSettings
from vmbackup_notifiers.webhook import Webhook, WebhookSettings


def mail(port: int, authority: Authority, password: str = PASSWORD) -> Email:
    section = {
        "host": "127.0.0.1",
        "port": port,
        "ca": str(authority.ca),
        "username": USERNAME,
        "password": password,
        "from": "backup@example.edu",
        "to": ["ops@example.edu"],
    }
    return Email("ops", EmailSettings.model_validate(section))


class TestEmail(NotifierContract):
    @pytest.fixture
    def mailbox(self, serve: Serve, server_tls: ssl.SSLContext) -> Mailbox:
        return serve(starttls=server_tls)

    @pytest.fixture
    def notifier(self, mailbox: Mailbox, authority: Authority) -> Email:
        return mail(mailbox.port, authority)

    @pytest.fixture
    def failing_notifier(self, mailbox: Mailbox, authority: Authority) -> Email:
        return mail(mailbox.port, authority, "not the correct horse")

    @pytest.fixture
    def told(self, mailbox: Mailbox) -> Callable[[], bytes]:
        return lambda: b"".join(mail.content for mail in mailbox.mails)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


@pytest.fixture
def bodies(server: WebServer) -> Callable[[], bytes]:
    return lambda: b"".join(request.body for request in server.got)


class TestWebhook(NotifierContract):
    @pytest.fixture
    def notifier(self, server: WebServer) -> Webhook:
        section = {"url": server.url("/hook-of-a-test"), "secret": "a secret of a test"}
        return Webhook("site", WebhookSettings.model_validate(section))

    @pytest.fixture(params=["/lost/hook", "/lost/\n", "nowhere"])
    def failing_notifier(self, server: WebServer, request: pytest.FixtureRequest) -> Webhook:
        url = request.param if request.param == "nowhere" else server.url(request.param)
        return Webhook("site", WebhookSettings.model_validate({"url": url, "secret": "a secret of a test"}))

    @pytest.fixture
    def told(self, bodies: Callable[[], bytes]) -> Callable[[], bytes]:
        return bodies


class TestPing(NotifierContract):
    @pytest.fixture
    def notifier(self, server: WebServer) -> Ping:
        return Ping("alive", PingSettings.model_validate({"url": server.url("/check-of-a-test")}))

    @pytest.fixture
    def failing_notifier(self, server: WebServer) -> Ping:
        return Ping("alive", PingSettings.model_validate({"url": server.url("/lost/check")}))

    @pytest.fixture
    def told(self, bodies: Callable[[], bytes]) -> Callable[[], bytes]:
        return bodies


class TestChat(NotifierContract):
    @pytest.fixture
    def notifier(self, server: WebServer) -> Chat:
        url = f"json://127.0.0.1:{server.server_port}/channel-of-a-test"
        return Chat("team", ChatSettings.model_validate({"url": url}))

    @pytest.fixture(params=["json://127.0.0.1:{port}/lost/channel", "nosuch://{port}", "{port}"])
    def failing_notifier(self, server: WebServer, request: pytest.FixtureRequest) -> Chat:
        url = request.param.format(port=server.server_port)
        return Chat("team", ChatSettings.model_validate({"url": url, "retries": 0}))

    @pytest.fixture
    def told(self, bodies: Callable[[], bytes]) -> Callable[[], bytes]:
        return bodies
