"""The hosts as machines that can be switched off, restarted and put at the pool's head, under their clients' feet."""

from pathlib import Path

from vmbackup.simulator import certificate, host_records, restarts
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.hosts import Host
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.servers import Post, Servers


class Fleet:
    """Starts and stops the hosts of a pool; `address` is the first one's, `port` everybody's (0: any)."""

    def __init__(self, pool: Pool, data: Path, address: tuple[str, int], *, tls: bool) -> None:
        self._pool = pool
        self._data = data
        self._address, self._port = address
        self._tls = tls
        self._servers: Servers | None = None
        pool.cut_streams = self._cut_streams

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts in the order in which they were made."""
        with self._pool.db.changed:
            records = list(self._pool.db.table("host").items())
        return tuple(
            Host(
                ref,
                record["uuid"],
                record["name_label"],
                record["address"],
                self._url(record["address"] if number else self._address),
                self._data / (f"host-{number + 1}.pem" if number else "host.pem"),
            )
            for number, (ref, record) in enumerate(records)
        )

    def _url(self, address: str) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{address}:{self._servers.port}" if self._servers is not None else ""

    @property
    def coordinator(self) -> Host:
        """The host that leads the pool at this moment."""
        master = self._pool.record["master"]
        return next(host for host in self.hosts if host.ref == master)

    def listen(self) -> None:
        """Listen for every host. Raises OSError when the port is taken."""
        posts: dict[str, Post] = {}
        for host in self.hosts:
            context = None
            if self._tls:
                host_records.show_certificate(self._pool, host.ref, host.certificate)
                context = certificate.server_context(host.certificate)
            posts[host.ref] = Post(host.address if posts else self._address, context)
        self._servers = Servers(self._pool, posts, self._port)

    def close(self) -> None:
        """Close every connection and wait for their threads."""
        if self._servers is not None:
            self._servers.close()
            self._servers = None

    def _cut_streams(self) -> None:
        if self._servers is not None:
            self._servers.cut_streams()

    def down(self, host: Host) -> None:
        """Switch a host off: its connections end, new ones are refused, its tasks stay as they are."""
        restarts.live(self._pool.db, host.ref, value=False)
        if self._servers is not None:
            self._servers.down(host.ref)

    def up(self, host: Host) -> None:
        """Switch a host on again: it loses what it was doing; the coordinator loses every session and task."""
        restarts.live(self._pool.db, host.ref, value=True)
        self._forget(host)
        if self._servers is not None:
            self._servers.up(host.ref)

    def restart_toolstack(self, host: Host) -> None:
        """Restart the xapi of a host. At the coordinator streams of other hosts go on, without a task."""
        self._forget(host)
        if self._servers is not None:
            self._servers.cut(host.ref)

    def _forget(self, host: Host) -> None:
        if host.ref == self._pool.record["master"]:
            restarts.coordinator_restarted(self._pool)
        else:
            restarts.member_restarted(self._pool, host.ref)

    def move_coordinator(self, host: Host) -> None:
        """Put another host at the pool's head: every connection ends, sessions and tasks are gone, records stay."""
        restarts.moved(self._pool, host.ref)
        for each in self.hosts:
            if self._servers is not None:
                self._servers.cut(each.ref)

    def isolate(self, host: Host, code: str, params: tuple[str, ...]) -> None:
        """Have a member answer every call with this error, as in emergency mode."""
        self._pool.emergencies[host.ref] = XapiError(code, *params)

    def rejoin(self, host: Host) -> None:
        """End a member's emergency mode."""
        self._pool.emergencies.pop(host.ref, None)
