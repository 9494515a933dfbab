"""What a method asks for, streamed and proven as the engine does it."""

from vmbackup.contracts import Export
from vmbackup.images import Evidence
from vmbackup.journal import Journal
from vmbackup.proof import Proof
from vmbackup.stages import Clock
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, download


def prove(session: Session, journal: Journal, export: Export) -> tuple[bytes, Evidence]:
    """The image, and why it is held to be whole."""
    with download(session, journal, Request(export.handler, export.query, "export of a test")) as stream:
        proof = Proof(stream, export.check(), Clock())
        data = b"".join(bytes(piece) for piece in proof.pieces())
    return data, proof.evidence
