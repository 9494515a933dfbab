"""A mailbox behind a real mail server, and an authority that certifies such servers."""

import base64
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "vmbackup", "correct horse"


@dataclass(frozen=True)
class Mail:
    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool


@dataclass
class Mailbox:
    """What the server was told; `answers` are given instead of its own to RCPT (by address), MAIL, DATA or QUIT.

    To AUTH they may say back the password in base64, in the place of {}. Those in `passing` are given to MAIL or DATA
    first, each once.
    """

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    passing: dict[str, list[str]] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    logins: list[tuple[str, str, str]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._answer("MAIL")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        answer = self._answer("DATA")
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            assert envelope.mail_from is not None
            assert server.transport is not None
            encrypted = server.transport.get_extra_info("ssl_object") is not None
            self.mails.append(Mail(envelope.mail_from, envelope.rcpt_tos, envelope.content, encrypted))
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        return self.answers.get("QUIT", "221 Bye")

    def _answer(self, command: str) -> str:
        if passing := self.passing.get(command):
            return passing.pop(0)
        return self.answers.get(command, "250 OK")

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        username, password = data.login.decode(), data.password.decode()
        self.logins.append((mechanism, username, password))
        if (username, password) == (USERNAME, PASSWORD):
            return AuthResult(success=True, handled=False)
        said = self.answers.get("AUTH", "535 5.7.8 no").format(base64.b64encode(data.password).decode())
        return AuthResult(success=False, handled=False, message=said)


@dataclass(frozen=True)
class Authority:
    """A CA; `ca` is the file of its certificate."""

    ca: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def context(self, folder: Path, *names: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        signed = unsigned("mail server", key, self.certificate.subject).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        path = folder / "server.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + signed.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def unsigned(name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name | None = None) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


class Serve(Protocol):
    """Starts a server: `starttls` offers it with that context, `tls` speaks nothing else, `without` some logins."""

    def __call__(
        self, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, without: tuple[str, ...] = ()
    ) -> Mailbox: ...
