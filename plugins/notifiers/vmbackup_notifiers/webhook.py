"""The report as JSON to a web address, signed as Standard Webhooks are (standardwebhooks.com, version 1)."""

import base64
import binascii
import hmac
import json
import time
from hashlib import sha256
from typing import Final

from pydantic import Field, TypeAdapter

from vmbackup import Notifier, NotifyError, Report, Secret, exit_code
from vmbackup_notifiers.subject import subject
from vmbackup_notifiers.web import Web, WebSettings

_REPORT: Final[TypeAdapter[Report]] = TypeAdapter(Report)
_PREFIX: Final = "whsec_"


class WebhookSettings(WebSettings):
    """Where it is sent, and the secret that signs it."""

    secret: Secret | None = Field(default=None, description="signs what is sent: any text, or whsec_ and base64")


class Webhook(Notifier[WebhookSettings]):
    """The report as JSON to a web address, signed."""

    name = "webhook"
    Settings = WebhookSettings

    def notify(self, report: Report) -> None:
        """Send it. Raises NotifyError unless the server has taken it."""
        web = Web(self.label, self.settings)
        address = web.address()
        identity = sha256(f"{report.run.id} {self.label}".encode(errors="backslashreplace")).hexdigest()[:32]
        body = _body(report)
        web.post(address, body, self._headers(f"msg_{identity}", body))

    def _headers(self, identity: str, body: bytes) -> dict[str, str]:
        moment = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(moment),
        }
        if self.settings.secret is not None:
            key = self._key(self.settings.secret.reveal())
            signed = hmac.digest(key, f"{identity}.{moment}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers

    def _key(self, secret: str) -> bytes:
        if not secret.startswith(_PREFIX):
            return secret.encode()
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            message = f"notifier {self.label}: what follows {_PREFIX} in its secret is not base64"
            raise NotifyError(message, advice="Take it as the receiver shows it.") from None


def _body(report: Report) -> bytes:
    content = {
        "type": "vmbackup.run.finished",
        "timestamp": report.finished.isoformat(),
        "data": {
            "subject": subject(report),
            "result": report.result,
            "exit_code": exit_code(report),
            "report": _REPORT.dump_python(report, mode="json"),
        },
    }
    return json.dumps(content).encode()
