"""What every notifier promises."""

import ssl
from collections.abc import Callable

import pytest
from tests.plugins.notifiers.mail_server import PASSWORD, USERNAME, Authority, Mailbox, Serve

from vmbackup.testing import NotifierContract
from vmbackup_notifiers.email import Email, EmailSettings


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
