"""Messages by apprise, sent by a process of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from vmbackup import Notifier, NotifyError, Report, Result, Secret, Settings, plain
from vmbackup_notifiers.attempts import Passing, tried
from vmbackup_notifiers.chat.brief import brief, calm
from vmbackup_notifiers.chat.sender import Sender
from vmbackup_notifiers.subject import subject

_KINDS: Final[dict[Result, str]] = {
    "good": "success",
    "warnings": "warning",
    "failed": "failure",
    "interrupted": "failure",
}
_SHOWN: Final = 300
_ADVICE: Final = "Check the url of this notifier: https://github.com/caronc/apprise/wiki shows that of each service."


class ChatSettings(Settings):
    """Where it is sent."""

    url: Secret = Field(description="the service and the channel as apprise writes them: slack://…, matrix://…")
    ca: Path | None = Field(default=None, description="a file of CA certificates, trusted instead of the usual ones")
    timeout: float = Field(default=60, gt=0, le=250, description="seconds that sending may take")
    retries: int = Field(default=1, ge=0, le=5, description="how often it is tried again at once")
    retry_wait: float = Field(default=5, gt=0, le=60, description="seconds before the first retry; they double")


class Chat(Notifier[ChatSettings]):
    """A short message to Slack, Teams, Mattermost, Matrix and a hundred other services, by apprise."""

    name = "chat"
    Settings = ChatSettings

    def __init__(self, label: str, settings: ChatSettings) -> None:
        """As the kind says; nothing is begun before the first message."""
        super().__init__(label, settings)
        self._sender = Sender({"REQUESTS_CA_BUNDLE": str(settings.ca)} if settings.ca else {})

    def notify(self, report: Report) -> None:
        """Send it. Raises NotifyError unless the service has taken it."""
        message = {
            "url": self.settings.url.reveal(),
            "title": calm(subject(report)),
            "body": brief(report),
            "kind": _KINDS[report.result],
        }
        tried(lambda: self._send(message), self.settings.retries, self.settings.retry_wait)

    def _send(self, message: Mapping[str, str]) -> None:
        try:
            answer = self._sender.send(message, self.settings.timeout)
        except TimeoutError:
            words = f"notifier {self.label}: the message was not sent within {self.settings.timeout:g} s"
            raise Passing(words, advice=_ADVICE) from None
        except EOFError:
            words = f"notifier {self.label}: the program that sends it has ended"
            raise NotifyError(words, advice="`pip check` says whether its packages fit together.") from None
        if not answer["sent"]:
            self._refuse(str(answer["why"]))

    def _refuse(self, why: str) -> None:
        who = f"notifier {self.label}"
        if why == "missing":
            raise NotifyError(f"{who}: the package apprise is missing", advice="pip install 'vmbackup[chat]'")
        if why == "url":
            raise NotifyError(f"{who}: its url is none that apprise knows", advice=_ADVICE)
        raise Passing(f"{who}: the message was not taken: {plain(why, _SHOWN) or 'no reason given'}", advice=_ADVICE)
