"""Attaching to a run that goes on in another process, and what is known of the last one where none does."""

import contextlib
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from vmbackup.live.picture import PICTURE, Picture
from vmbackup.live.place import ENDED, SOCKET, address, folder_in
from vmbackup.state import State

PIECE = 1 << 16


def under_way(state: State) -> list[str]:
    """Return the jobs whose runs can be watched now. Raises PermissionError where we may not look."""
    folder = folder_in(state.folder)
    if not folder.is_dir():
        return []
    jobs = sorted(path.name.removesuffix(SOCKET) for path in folder.iterdir() if path.name.endswith(SOCKET))
    return [job for job in jobs if _answers(folder, job)]


def last_ended(state: State, job: str) -> Picture | None:
    """Return how the last run of a job has ended, or None where nobody has kept that."""
    with contextlib.suppress(OSError, ValidationError):
        return PICTURE.validate_json((folder_in(state.folder) / f"{job}{ENDED}").read_bytes())
    return None


def attached(state: State, job: str, pause: float) -> Iterator[Picture | None]:
    """Yield the pictures of a run as they come, and None where none has come for `pause` seconds.

    Ends when the run has ended or died; the last picture says which. Raises OSError where no run can be watched.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        with address(folder_in(state.folder), job) as path:
            line.connect(path)
        line.settimeout(0)
        rest = b""
        while True:
            ready, _, _ = select.select([line], [], [], pause)
            if not ready:
                yield None
                continue
            try:
                piece = line.recv(PIECE)
            except ConnectionResetError:
                return
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield PICTURE.validate_json(lines[-1])


def _answers(folder: Path, job: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            with address(folder, job) as path:
                line.connect(path)
        except OSError:
            return False
        return True
