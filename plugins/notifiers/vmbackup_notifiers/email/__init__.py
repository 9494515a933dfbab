"""Mail by SMTP: a message for each run, as text and as HTML, to all recipients at once."""

from vmbackup_notifiers.email.notifier import Email
from vmbackup_notifiers.email.settings import EmailSettings

__all__ = ["Email", "EmailSettings"]
