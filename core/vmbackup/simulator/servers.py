"""The pool's hosts on the network: a server for each, every one on an address of its own, all on one port."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from vmbackup.simulator.listener import reserved
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.server import Server

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Post:
    """Where a host listens: its address and its certificate, if it speaks TLS."""

    address: str
    tls: ssl.SSLContext | None


class Servers:
    """Listens for all hosts (posts by ref, the first is asked for the port); `down` and `up` are for single ones."""

    def __init__(self, pool: Pool, posts: Mapping[str, Post], port: int) -> None:
        self._pool = pool
        self._posts = posts
        self._gone: list[Server] = []
        self._reserved: dict[str, socket.socket] = {}
        self._servers = _listen(pool, posts, port)
        self.port = next(iter(self._servers.values())).port

    def cut(self, host: str) -> None:
        """End all connections of a host."""
        if host in self._servers:
            self._servers[host].cut()

    def cut_streams(self) -> None:
        """End all streams of the pool."""
        for server in list(self._servers.values()):
            server.cut_streams()

    def down(self, host: str) -> None:
        """End all connections of a host and take no more."""
        if server := self._servers.pop(host, None):
            server.deafen()
            self._reserved[host] = reserved((self._posts[host].address, self.port))
            self._gone.append(server)

    def up(self, host: str) -> None:
        """Listen for a host again. Raises OSError when somebody has taken its port meanwhile."""
        if host not in self._servers:
            post = self._posts[host]
            self._reserved.pop(host).close()
            self._servers[host] = Server(self._pool, host, (post.address, self.port), post.tls)

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        for server in (*self._servers.values(), *self._gone):
            server.close()
        for place in self._reserved.values():
            place.close()


def _listen(pool: Pool, posts: Mapping[str, Post], port: int) -> dict[str, Server]:
    """Listen for all hosts on one port; any that is free on every address when `port` is 0. Raises OSError."""
    for _ in range(_TRIES):
        servers: dict[str, Server] = {}
        try:
            for host, post in posts.items():
                common = next(iter(servers.values())).port if servers else port
                servers[host] = Server(pool, host, (post.address, common), post.tls)
        except OSError:
            for server in servers.values():
                server.close()
            if port or not servers:
                raise
        else:
            return servers
    raise OSError("no port is free on all addresses")
