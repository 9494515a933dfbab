"""The hosts of a pool: under which addresses they are reached, and which of them sees an SR."""

import contextlib

from vmbackup.errors import PoolError, TransferError
from vmbackup.xapi.session import Session
from vmbackup.xapi.trust import Address, normal_fingerprint, presented_fingerprint
from vmbackup.xapi.wire import flag, text, texts


def members(session: Session) -> frozenset[str]:
    """Return the addresses of the pool's hosts, as the pool itself names them."""
    return frozenset(text(record, "address") for record in session.records("host").values())


def fingerprints(session: Session) -> dict[str, str]:
    """Return the SHA-256 of each host's certificate, as lower-case hex, by the host's address.

    The pool lists them itself from 8.2 on (xapi: certificates.ml); an older one is asked host by host, where a host
    that cannot be reached is left out.
    """
    hosts = {ref: text(record, "address") for ref, record in session.records("host").items()}
    try:
        listed = session.records("Certificate")
    except PoolError as error:
        if error.xapi_code != "MESSAGE_METHOD_UNKNOWN":
            raise
        listed = {}
    known = {
        hosts[text(record, "host")]: normal_fingerprint(text(record, "fingerprint"))
        for record in listed.values()
        if text(record, "type") == "host" and text(record, "host") in hosts and text(record, "fingerprint")
    }
    for address in hosts.values():
        if address not in known:
            with contextlib.suppress(TransferError):
                known[address] = presented_fingerprint(session.address.beside(address))
    return known


def address_for(session: Session, sr: str) -> Address:
    """Return where to send what goes into an SR: the coordinator if it sees it, else another host that does.

    A host that does not see it would send us away, without reading a byte of the stream (xapi: import.ml).
    """
    pbds = session.living("PBD", texts(session.record("SR", sr), "PBDs"))
    hosts = [text(pbd, "host") for _, pbd in pbds if flag(pbd, "currently_attached")]
    (pool,) = session.records("pool").values()
    if not hosts or text(pool, "master") in hosts:
        return session.address
    (_, host), *_ = session.living("host", hosts)
    return session.address.beside(text(host, "address"))
