"""302 to a host that sees the storage, when the one that was asked does not (export.ml, importexport.ml)."""

from collections.abc import Collection
from urllib.parse import quote, urlencode

from vmbackup.simulator import http
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.visibility import any_seeing, hosts_seeing

_HTTPS = 443


def stay(exchange: Exchange, repositories: Collection[str]) -> None:
    """Return when this host sees all the repositories; the task is not touched otherwise.

    Raises Refused (302) when another live host does, and XapiError `NO_HOSTS_AVAILABLE` when none does. A real pool
    names https and no port; the simulator adds its own, and keeps its scheme.
    """
    db = exchange.pool.db
    if exchange.host in hosts_seeing(db, repositories):
        return
    address = db.get("host", any_seeing(db, repositories))["address"]
    port = int(exchange.wire.local_name.rpartition(":")[2])
    scheme = "https" if exchange.wire.encrypted else "http"
    raise http.Refused(http.redirect(location(f"{scheme}://{address}", port, exchange.request)))


def location(host: str, port: int, request: http.Request) -> str:
    """Write where to go with a request: all its parameters encoded anew, the port only when it is not 443."""
    place = host if port == _HTTPS else f"{host}:{port}"
    return f"{place}{quote(request.path)}?{urlencode(request.query, quote_via=quote)}"
