"""Mail by SMTP: one plain-text message for each run, to all recipients at once."""

import re
import smtplib
import ssl
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vmbackup import Notifier, NotifyError, Report, Secret, Settings, headline, plain, report_text

_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_CHECK: Final = "Check host, port and tls of this notifier, and what the server's log says."


def _is_address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("give a bare mail address, such as admin@example.edu")
    return address


Address = Annotated[str, AfterValidator(_is_address)]


class EmailSettings(Settings):
    """Which server sends the mail, from whom and to whom."""

    host: str = Field(min_length=1, description="the mail server")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="25 without TLS, 587 with STARTTLS, 465 with TLS"
    )
    tls: Literal["none", "starttls", "tls"] = Field(
        default="starttls", description="never without where it is asked for"
    )
    ca: Path | None = Field(default=None, description="a file of CA certificates, trusted besides the system's own")
    username: str | None = None
    password: Secret | None = None
    from_: Address = Field(alias="from")
    to: tuple[Address, ...] = Field(min_length=1)
    timeout: float = Field(default=30, gt=0, le=600, description="seconds that the server may take for each answer")

    @model_validator(mode="after")
    def _login_is_whole_and_private(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("give both username and password, or neither")
        if self.password is not None and self.tls == "none":
            raise ValueError("a password is not sent without TLS")
        return self


class Email(Notifier[EmailSettings]):
    """Mail by SMTP: a plain-text summary of a run."""

    name = "email"
    Settings = EmailSettings

    def notify(self, report: Report) -> None:
        """Send the mail. Raises NotifyError unless the server has taken it for every recipient."""
        message = self._message(report)
        try:
            refused = self._send(message)
        except smtplib.SMTPAuthenticationError as error:
            advice = "Check username and password of this notifier."
            raise NotifyError(f"{self._who} refused the login: {_reply(error)}", advice=advice) from error
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except ssl.SSLError as error:
            advice = "Check `tls` and `ca` of this notifier; the certificate must be valid for the name in `host`."
            raise NotifyError(f"{self._who} could not be trusted: {plain(str(error))}", advice=advice) from error
        except smtplib.SMTPResponseException as error:
            raise NotifyError(f"{self._who} refused the mail: {_reply(error)}", advice=_CHECK) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotifyError(f"{self._who} could not be used: {plain(str(error))}", advice=_CHECK) from error
        if refused:
            answers = "; ".join(f"{to}: {_words(code, text)}" for to, (code, text) in refused.items())
            told = len(self.settings.to) - len(refused)
            raise NotifyError(
                f"{self._who} refused {len(refused)} recipients and took {told}: {answers}",
                advice="Correct `to` of this notifier, or the rights of this sender on the server.",
            )

    @property
    def _who(self) -> str:
        return f"notifier {self.label}: the mail server {self.settings.host}:{self._port}"

    @property
    def _port(self) -> int:
        return self.settings.port or _PORTS[self.settings.tls]

    def _message(self, report: Report) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[vmbackup] {headline(report)}"
        message["From"] = self.settings.from_
        message["To"] = ", ".join(self.settings.to)
        message["Date"] = format_datetime(datetime.now(UTC))
        # The sender's own domain: asking for the name of this host can wait for a dead name server.
        message["Message-ID"] = make_msgid("vmbackup", domain=self.settings.from_.rpartition("@")[2])
        # So that nobody's holiday reply comes back (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        # Safe with servers that take seven bits and short lines only.
        message.set_content(report_text(report), cte="quoted-printable")
        return message

    def _send(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Send, and return the recipients that were refused while others were not, with the server's answers."""
        settings = self.settings
        trust = self._trust()
        with ExitStack() as stack:
            server = (
                smtplib.SMTP_SSL(settings.host, self._port, timeout=settings.timeout, context=trust)
                if settings.tls == "tls"
                else smtplib.SMTP(settings.host, self._port, timeout=settings.timeout)
            )
            stack.callback(server.close)
            if settings.tls == "starttls":
                server.starttls(context=trust)
            if settings.username is not None and settings.password is not None:
                self._login(server, settings.username, settings.password.reveal())
            refused = server.send_message(message)
            # The mail is the server's from here on: how the goodbye goes changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            return refused

    def _login(self, server: smtplib.SMTP, username: str, password: str) -> None:
        try:
            server.login(username, password)
        except UnicodeEncodeError:
            # Not chained: the error holds the password.
            message = f"notifier {self.label}: username and password may hold only ASCII characters for this library"
            raise NotifyError(message, advice="Give this sender another password.") from None

    def _trust(self) -> ssl.SSLContext:
        trust = ssl.create_default_context()
        ca = self.settings.ca
        if ca is not None:
            try:
                trust.load_verify_locations(ca)
            except OSError as error:
                raise NotifyError(f"notifier {self.label}: {ca}: no CA certificates can be read: {error}") from error
        return trust


def _reply(error: smtplib.SMTPResponseException) -> str:
    return _words(error.smtp_code, error.smtp_error)


def _words(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {plain(words, 300)}"
