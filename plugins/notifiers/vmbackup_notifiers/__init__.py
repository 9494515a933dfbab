"""The notifiers that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_notifiers.chat import Chat
from vmbackup_notifiers.email import Email
from vmbackup_notifiers.ping import Ping
from vmbackup_notifiers.webhook import Webhook


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `chat`, `email`, `ping` and `webhook`."""
    return (Chat, Email, Ping, Webhook)
