"""Mail by SMTP: what is sent, again where that may help, and what is said where it was not taken."""

import re
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final

from vmbackup import Notifier, NotifyError, Report, plain
from vmbackup_notifiers.attempts import Passing, tried
from vmbackup_notifiers.email.message import message
from vmbackup_notifiers.email.server import Refused, send
from vmbackup_notifiers.email.settings import EmailSettings

_CHECK: Final = "Check host, port and tls of this notifier, and what the server's log says."
_LATER: Final = range(400, 500)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")


class Email(Notifier[EmailSettings]):
    """Mail by SMTP: what came of a run, as text and as HTML."""

    name = "email"
    Settings = EmailSettings

    def notify(self, report: Report) -> None:
        """Send the mail. Raises NotifyError unless the server has taken it for every recipient."""
        self.notify_rest(report, ())

    def notify_rest(self, report: Report, told: tuple[str, ...]) -> None:
        """Send the mail to those who have not got it yet."""
        settings = self.settings
        left = [to for to in settings.to if to not in told]
        if not left:
            return
        # The mail names all: who gets it later sees who knows.
        mail = message(report, self.label, settings.from_, settings.to, datetime.now(UTC))
        refused = tried(lambda: self._send(mail, left), settings.retries, settings.retry_wait)
        if refused:
            answers = "; ".join(f"{to}: {_words(code, text)}" for to, (code, text) in refused.items())
            taken = [to for to in left if to not in refused]
            raise NotifyError(
                f"{self._who} refused {len(refused)} recipients and took {len(taken)}: {answers}",
                advice="Correct `to` of this notifier, or the rights of this sender on the server.",
                told=(*told, *taken),
            )

    @property
    def _who(self) -> str:
        return f"notifier {self.label}: the mail server {self.settings.host}:{self.settings.server_port}"

    def _send(self, mail: EmailMessage, recipients: Sequence[str]) -> Refused:
        try:
            return send(self.label, self.settings, mail, recipients)
        except smtplib.SMTPAuthenticationError as error:
            advice = "Check username and password of this notifier."
            # A server that says back what it was told shows the password, in base64.
            words = _BASE64.sub("***", _reply(error))
            raise _kind(error)(f"{self._who} refused the login: {words}", advice=advice) from None
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients
        except ssl.SSLError as error:
            advice = "Check `tls` and `ca` of this notifier; the certificate must be valid for the name in `host`."
            raise NotifyError(f"{self._who} could not be trusted: {plain(str(error))}", advice=advice) from error
        except smtplib.SMTPResponseException as error:
            raise _kind(error)(f"{self._who} refused the mail: {_reply(error)}", advice=_CHECK) from error
        except (smtplib.SMTPException, OSError) as error:
            raise _kind(error)(f"{self._who} could not be used: {plain(str(error))}", advice=_CHECK) from error


def _kind(error: OSError) -> type[NotifyError]:
    """Return what is to be raised for it, by whether it may be over in a moment."""
    if isinstance(error, smtplib.SMTPResponseException):
        return Passing if error.smtp_code in _LATER else NotifyError
    return NotifyError if isinstance(error, smtplib.SMTPNotSupportedError) else Passing


def _reply(error: smtplib.SMTPResponseException) -> str:
    return _words(error.smtp_code, error.smtp_error)


def _words(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {plain(words, 300)}"
