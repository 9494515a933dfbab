"""The server's own certificate, as a host makes it at installation (gencert): self-signed, RSA-2048, ten years."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_YEARS = timedelta(days=3650)


def ensure_certificate(path: Path, hostname: str, address: str) -> None:
    """Write key and certificate into one PEM file (mode 600) unless there is one."""
    if path.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    names = [x509.DNSName(hostname), x509.DNSName("localhost"), x509.IPAddress(IPv4Address(address))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _YEARS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    partial = path.with_suffix(".part")
    partial.touch(0o600)
    partial.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    partial.replace(path)


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of the certificate in a PEM file: upper-case hex, a colon between octets."""
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).digest().hex(":").upper()


def validity(path: Path) -> tuple[datetime, datetime]:
    """Give since when and until when the certificate in a PEM file is valid, in UTC."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def server_context(path: Path) -> ssl.SSLContext:
    """Make a TLS context with the protocol, ciphers and curve of a current host (xapi_stunnel_server.ml)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256")
    context.set_ecdh_curve("secp384r1")
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(path)
    return context
