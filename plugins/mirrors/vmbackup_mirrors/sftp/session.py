"""A session with an SFTP server, for one thread that waits for each answer."""

import asyncio
import stat
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import asyncssh

from vmbackup_mirrors.sftp import stream
from vmbackup_mirrors.sftp.settings import SftpSettings
from vmbackup_mirrors.sftp.trouble import explained

T = TypeVar("T")
# Listings that wait for their answers at a time.
LISTINGS = 32
OURS_ALONE = asyncssh.SFTPAttrs(permissions=0o600)
FOLDER = asyncssh.SFTPAttrs(permissions=0o700)


class _Knowing(asyncssh.SSHClient):
    """Knows the host by its key's fingerprint, where `known_hosts` does not know it."""

    def __init__(self, fingerprint: str | None) -> None:
        self._fingerprint = fingerprint

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - the key alone counts
        return key.get_fingerprint() == self._fingerprint


class Session:
    """Connects when it is needed, and anew where the connection has broken. Paths are below the mirror's folder."""

    def __init__(self, label: str, settings: SftpSettings) -> None:
        """Nothing is connected yet."""
        self._label = label
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        # What fails is told by what is waited for; of the requests behind it, nobody need hear that they failed, too.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def close(self) -> None:
        """End the session, and whatever an interruption has left waiting."""
        if self._connection:
            self._connection.abort()
        self._loop.run_until_complete(_end_the_others())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def size(self, path: str) -> int | None:
        """Return the size of a file, None if nothing is there."""

        async def look(client: asyncssh.SFTPClient) -> int | None:
            with suppress(asyncssh.SFTPNoSuchFile):
                return (await client.lstat(self._path(path))).size
            return None

        return self._do(f"looking at {path}", look)

    def listed(self, folders: Iterable[str]) -> dict[str, tuple[list[str], list[str]]]:
        """Return the names of the folders and of the files in each of these folders; nothing where there is none."""
        turns = asyncio.Semaphore(LISTINGS)

        async def one(client: asyncssh.SFTPClient, folder: str) -> tuple[list[str], list[str]]:
            kinds: dict[bool, list[str]] = {True: [], False: []}
            async with turns:
                with suppress(asyncssh.SFTPNoSuchFile):
                    for entry in await asyncio.wait_for(client.readdir(self._path(folder)), self._settings.timeout):
                        mode = entry.attrs.permissions or 0
                        if entry.filename not in {".", ".."} and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                            kinds[stat.S_ISDIR(mode)].append(str(entry.filename))
            return kinds[True], kinds[False]

        async def every(client: asyncssh.SFTPClient) -> dict[str, tuple[list[str], list[str]]]:
            wanted = list(folders)
            return dict(zip(wanted, await asyncio.gather(*(one(client, folder) for folder in wanted)), strict=True))

        return self._do("listing what is there", every)

    def make_folders(self, path: str) -> None:
        """Make a folder and those above it, where they are not there."""

        async def make(client: asyncssh.SFTPClient) -> None:
            parts = path.split("/")
            for depth in range(1, len(parts) + 1):
                part = self._path("/".join(parts[:depth]))
                if not await client.isdir(part):
                    await client.mkdir(part, FOLDER)

        self._do(f"making {path}", make)

    def write(self, path: str, chunks: Iterable[bytes], offset: int, moved: Callable[[], None]) -> None:
        """Write a file from `offset` on, and flush it where the server can."""

        async def send(client: asyncssh.SFTPClient) -> None:
            flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if offset else asyncssh.FXF_TRUNC)
            async with await client.open(self._path(path), flags, OURS_ALONE, encoding=None) as file:
                await stream.send(file, chunks, offset, moved, self._settings.timeout)
                with suppress(asyncssh.SFTPOpUnsupported):
                    await asyncio.wait_for(file.fsync(), self._settings.timeout)

        self._do(f"writing {path}", send)

    def digest(self, path: str, size: int, moved: Callable[[], None]) -> tuple[int, str]:
        """Return how many bytes a file has up to `size`, and their SHA-256."""

        async def read(client: asyncssh.SFTPClient) -> tuple[int, str]:
            async with await client.open(self._path(path), "rb", encoding=None) as file:
                found = await stream.digest(file, size, moved, self._settings.timeout)
            return found  # noqa: RET504 - not within the `with`, of which a type checker thinks that it may end early

        return self._do(f"reading {path}", read)

    def read(self, path: str) -> bytes:
        """Return what a small file holds."""

        async def read(client: asyncssh.SFTPClient) -> bytes:
            async with await client.open(self._path(path), "rb", encoding=None) as file:
                data: bytes = await file.read()
            return data

        return self._do(f"reading {path}", read)

    def rename(self, path: str, to: str) -> None:
        """Give a file its name, in one step where the server can."""

        async def rename(client: asyncssh.SFTPClient) -> None:
            try:
                await client.posix_rename(self._path(path), self._path(to))
            except asyncssh.SFTPOpUnsupported:
                await client.rename(self._path(path), self._path(to))

        self._do(f"naming {to}", rename)

    def remove(self, path: str) -> None:
        """Remove a file; nothing there is no error."""

        async def remove(client: asyncssh.SFTPClient) -> None:
            with suppress(asyncssh.SFTPNoSuchFile):
                await client.remove(self._path(path))

        self._do(f"removing {path}", remove)

    def remove_folder(self, path: str) -> None:
        """Remove a folder in which nothing lies; one in which something does stays."""

        async def remove(client: asyncssh.SFTPClient) -> None:
            # SFTP has no word of its own for a folder that is not empty.
            with suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPFailure, asyncssh.SFTPDirNotEmpty):
                await client.rmdir(self._path(path))

        self._do(f"removing {path}", remove)

    def _path(self, path: str) -> str:
        return f"{self._settings.folder.rstrip('/')}/{path}" if path else self._settings.folder

    def _do(self, doing: str, call: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]) -> T:
        async def whole() -> T:
            return await call(await self._connected())

        with explained(self._label, doing):
            return self._loop.run_until_complete(whole())

    async def _connected(self) -> asyncssh.SFTPClient:
        if self._client and self._connection and not self._connection.is_closed():
            return self._client
        async with asyncio.timeout(self._settings.timeout):
            self._connection = await asyncssh.connect(self._settings.host, **self._options())
            self._client = await self._connection.start_sftp_client()
            if not await self._client.isdir(self._settings.folder):
                raise asyncssh.SFTPNoSuchFile(f"{self._settings.folder} is no folder; it is never made")
        return self._client

    def _options(self) -> dict[str, Any]:
        """Return how to connect: by the section alone, and by nothing of the user's own files."""
        settings = self._settings
        return {
            "port": settings.port,
            "username": settings.username,
            "password": settings.password.reveal() if settings.password else None,
            "client_keys": [str(settings.identity)] if settings.identity else None,
            "passphrase": settings.passphrase.reveal() if settings.passphrase else None,
            "known_hosts": str(settings.known_hosts) if settings.known_hosts else ([], [], []),
            "client_factory": partial(_Knowing, settings.fingerprint),
            "agent_path": None,
            "config": None,
            "gss_auth": False,
            "gss_kex": False,
            "keepalive_interval": settings.timeout / 3,
        }


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
