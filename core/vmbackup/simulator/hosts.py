"""A host of the simulated pool, as tests look at it."""

from dataclasses import dataclass
from pathlib import Path

from vmbackup.simulator import certificate


@dataclass(frozen=True, slots=True)
class Host:
    """A host: what its record says, and where it listens (`url` is empty while the simulator does not)."""

    ref: str
    uuid: str
    name: str
    address: str
    url: str
    pem: Path

    @property
    def certificate(self) -> Path:
        """The PEM file with the host's certificate (and its key); made when it is first needed, then kept."""
        certificate.ensure_certificate(self.pem, self.name, self.address)
        return self.pem

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate: upper-case hex with colons."""
        return certificate.fingerprint(self.certificate)
