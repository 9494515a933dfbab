"""One conversation with a mail server, by the standard library."""

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from email.message import EmailMessage
from pathlib import Path

from vmbackup import NotifyError
from vmbackup_notifiers.email.settings import EmailSettings

# The recipients that were refused, with the server's answers.
Refused = dict[str, tuple[int, bytes]]


def send(label: str, settings: EmailSettings, message: EmailMessage, recipients: Sequence[str]) -> Refused:
    """Send a mail, and return who was refused while others were not. Raises what smtplib raises, and NotifyError."""
    port = settings.server_port
    trust = _trust(label, settings.ca)
    with ExitStack() as stack:
        server = (
            smtplib.SMTP_SSL(settings.host, port, timeout=settings.timeout, context=trust)
            if settings.tls == "tls"
            else smtplib.SMTP(settings.host, port, timeout=settings.timeout)
        )
        stack.callback(server.close)
        if settings.tls == "starttls":
            server.starttls(context=trust)
        if settings.username is not None and settings.password is not None:
            _login(label, server, settings.username, settings.password.reveal())
        refused = server.send_message(message, to_addrs=recipients)
        # The mail is the server's from here on: how the goodbye goes changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        return refused


def _login(label: str, server: smtplib.SMTP, username: str, password: str) -> None:
    try:
        server.login(username, password)
    except UnicodeEncodeError:
        # Not chained: the error holds the password.
        message = f"notifier {label}: username and password may hold only ASCII characters for this library"
        raise NotifyError(message, advice="Give this sender another password.") from None


def _trust(label: str, ca: Path | None) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if ca is not None:
        try:
            trust.load_verify_locations(ca)
        except OSError as error:
            raise NotifyError(f"notifier {label}: {ca}: no CA certificates can be read: {error}") from error
    return trust
