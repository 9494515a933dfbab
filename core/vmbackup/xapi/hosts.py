"""The hosts of a pool: under which addresses they are reached, and which of them sees an SR."""

from vmbackup.xapi.session import Session
from vmbackup.xapi.trust import Address
from vmbackup.xapi.wire import flag, text, texts


def members(session: Session) -> frozenset[str]:
    """Return the addresses of the pool's hosts, as the pool itself names them."""
    return frozenset(text(record, "address") for record in session.records("host").values())


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
