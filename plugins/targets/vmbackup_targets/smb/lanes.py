"""Which lane a link's bytes take: our own frames where we know how, else the library's requests."""

import logging
from typing import Final

from smbprotocol import Dialects
from smbprotocol.connection import Ciphers, SigningAlgorithms

from vmbackup_targets.smb.envelope import Encrypted, Envelope, Signed, cmac, gmac
from vmbackup_targets.smb.lane import Lane, LibraryLane
from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.wire_lane import WireLane

_LOG: Final = logging.getLogger(__name__)
_GCM: Final = frozenset({Ciphers.AES_128_GCM, Ciphers.AES_256_GCM})


def lane_for(link: Link, largest: int) -> Lane:
    """Return a lane for writes of `largest` bytes at most. Says so in the log where it has to be the slow one."""
    if not _window_is_known(link):
        _LOG.warning(
            "this version of smbprotocol is not one that vmbackup knows from inside: transfers over SMB are slow; "
            "install the version that vmbackup asks for"
        )
        return LibraryLane(link)
    envelope = _envelope(link, largest)
    return WireLane(link, envelope) if envelope else LibraryLane(link)


def _window_is_known(link: Link) -> bool:
    """Whether the library keeps the numbers of its messages where we look for them: they are no documented part."""
    window, lock = getattr(link.channel, "sequence_window", None), getattr(link.channel, "sequence_lock", None)
    return isinstance(window, dict) and window.keys() >= {"low", "high"} and hasattr(lock, "acquire")


def _envelope(link: Link, largest: int) -> Envelope | None:
    """How this link protects its messages; None if that is neither AES-GCM nor a signature of SMB 3."""
    channel, session, tree = link.channel, link.session, link.tree
    if session.encrypt_data or tree.encrypt_data:
        if channel.dialect < Dialects.SMB_3_1_1 or channel.cipher_id not in _GCM:
            return None
        return Encrypted(session.session_id, session.encryption_key, session.decryption_key, largest)
    if channel.dialect < Dialects.SMB_3_0_0 or channel.signing_algorithm_id == SigningAlgorithms.HMAC_SHA256:
        return None
    if channel.dialect >= Dialects.SMB_3_1_1 and channel.signing_algorithm_id == SigningAlgorithms.AES_GMAC:
        return Signed(gmac(session.signing_key))
    return Signed(cmac(session.signing_key))
