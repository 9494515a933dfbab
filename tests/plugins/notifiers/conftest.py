"""A real mail server on loopback, with certificates of its own authority."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.plugins.notifiers.mail_server import Authority, Mailbox, Serve, unsigned


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = unsigned("vmbackup test authority", key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    certificate = builder.sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(path, certificate, key)


@pytest.fixture(scope="session")
def server_tls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return authority.context(tmp_path_factory.mktemp("server"), x509.IPAddress(ip_address("127.0.0.1")))


@pytest.fixture(scope="session")
def misnamed_tls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return authority.context(tmp_path_factory.mktemp("misnamed"), x509.DNSName("other.example.edu"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a mail server: `starttls` offers it with that context, `tls` speaks nothing else."""
    with ExitStack() as stack:

        def start(
            starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, without: tuple[str, ...] = ()
        ) -> Mailbox:
            mailbox = Mailbox()
            loop = asyncio.new_event_loop()

            def session() -> SMTP:
                return SMTP(
                    mailbox,
                    hostname="mail.example.edu",
                    tls_context=starttls,
                    auth_require_tls=tls is None,
                    auth_exclude_mechanism=without,
                    authenticator=mailbox.authenticate,
                    loop=loop,
                )

            server = loop.run_until_complete(loop.create_server(session, "127.0.0.1", 0, ssl=tls))
            mailbox.port = server.sockets[0].getsockname()[1]
            thread = threading.Thread(target=loop.run_forever, daemon=True)
            thread.start()

            def stop() -> None:
                asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
                loop.call_soon_threadsafe(loop.stop)
                thread.join(10)
                loop.close()

            stack.callback(stop)
            return mailbox

        yield start


async def _end(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()
    # The sessions that clients have left without a word.
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
