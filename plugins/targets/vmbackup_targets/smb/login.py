"""From settings to a share that is connected: dialect, encryption, login, tree."""

import logging
from typing import Final

from smbprotocol import Dialects
from smbprotocol.connection import Ciphers
from smbprotocol.exceptions import SMBConnectionClosed, SMBResponseException
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from vmbackup_targets.smb.channel import Channel
from vmbackup_targets.smb.link import CREDITS, Link, translated
from vmbackup_targets.smb.settings import SmbSettings
from vmbackup_targets.smb.trouble import Lost

logging.getLogger("spnego").addHandler(logging.NullHandler())

# The library puts CCM, which is half as fast, before the longer key of GCM.
_CIPHERS: Final = (Ciphers.AES_128_GCM, Ciphers.AES_256_GCM, Ciphers.AES_128_CCM, Ciphers.AES_256_CCM)
_DIALECTS: Final = {
    Dialects.SMB_2_0_2: "SMB 2.0.2",
    Dialects.SMB_2_1_0: "SMB 2.1",
    Dialects.SMB_3_0_0: "SMB 3.0",
    Dialects.SMB_3_0_2: "SMB 3.0.2",
    Dialects.SMB_3_1_1: "SMB 3.1.1",
}
_NEWER: Final = "Let the server speak SMB 3 (Samba: `server max protocol = SMB3`)"


def log_in(settings: SmbSettings) -> Link:
    """Connect, log in, connect the share. Raises Refused, Lost, and ConfigError for a password that cannot be had."""
    password = settings.password.reveal() if settings.password else None
    channel = Channel(settings.server, settings.port, settings.timeout)
    try:
        _connect(channel, settings)
        with translated():
            session = Session(
                channel, settings.user, password, require_encryption=settings.encrypt, auth_protocol=settings.auth
            )
            _authenticate(session)
            channel.guard = "encrypted" if session.encrypt_data else "signed"
            granted = channel.echo(session.session_id, timeout=settings.timeout, credit_request=CREDITS)
            tree = TreeConnect(session, rf"\\{settings.server}\{settings.share}")
            tree.connect()
    except BaseException:
        channel.hang_up(politely=False)
        raise
    if tree.is_dfs_share:
        channel.hang_up(politely=True)
        raise Lost(
            "the share is a DFS namespace", "Give the server and the share that it leads to: `dfsutil client property`."
        )
    return Link(channel, session, tree, int(granted))


def _connect(channel: Channel, settings: SmbSettings) -> None:
    at = f"the server ({settings.server}, port {settings.port})"
    try:
        channel.wire.connect()
    except OSError as error:
        raise Lost(
            f"no connection could be made to {at}: {error.strerror or error}",
            "Is the server up, is its name right, and does a firewall let this port through?",
        ) from error
    try:
        with translated():
            channel.connect(timeout=settings.timeout, preferred_encryption_algos=list(_CIPHERS))
    except Lost as error:
        if isinstance(error.__cause__, SMBConnectionClosed):
            raise Lost(
                f"{at} closes the connection when it is offered SMB 2 and 3",
                f"{_NEWER}, or correct `port`. A server that is just starting does so as well.",
            ) from error
        raise
    dialect = _DIALECTS.get(channel.dialect, f"dialect 0x{channel.dialect:04x}")
    if channel.dialect < Dialects.SMB_2_1_0:
        raise Lost(f"{at} speaks no newer dialect than {dialect}", f"{_NEWER}.")
    if settings.encrypt and not channel.supports_encryption:
        what = f"speaks {dialect}, which cannot encrypt" if channel.dialect < Dialects.SMB_3_0_0 else "does not encrypt"
        raise Lost(
            f"{at} {what}",
            f"{_NEWER} with encryption (`server smb encrypt = desired`); or say `encrypt = false`, and the backups "
            "cross the network signed, but readable.",
        )


def _authenticate(session: Session) -> None:
    try:
        session.connect()
    except (SMBResponseException, SMBConnectionClosed, Lost):
        raise
    except Exception as error:
        # The library takes the session's id away when the server made us a guest, who has no key to sign with.
        if session.session_id is None:
            raise Lost("the server lets us in as a guest only", "Give a user whom the server knows.") from error
        # Whatever else comes is from the libraries of NTLM and Kerberos, and has not reached the server.
        raise Lost(
            f"the login could not be made: {error.__cause__ or error}",
            "With Kerberos: is the password right, or is there a ticket (`klist`); is `server` the name in its "
            "principal (cifs/NAME); does /etc/krb5.conf lead to the KDC; is vmbackup[kerberos] installed?",
        ) from error
