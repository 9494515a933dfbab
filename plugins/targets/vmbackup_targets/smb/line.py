"""The way to the share for a whole run: one link at a time, made anew after one was lost."""

import threading
from dataclasses import dataclass
from typing import Final

from vmbackup_targets.smb.handle import FOLDER_ONLY, LOOK, opened
from vmbackup_targets.smb.lane import CREDIT, Lane
from vmbackup_targets.smb.lanes import lane_for
from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.login import log_in
from vmbackup_targets.smb.names import path
from vmbackup_targets.smb.settings import SmbSettings

# Larger requests are no faster (docs/smb.md), and cost memory for each of those under way.
PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """A link, the lane for the bytes of files on it, and the bytes that one request of that lane may carry."""

    link: Link
    lane: Lane
    piece: int


class Line:
    """Connects when it is asked for the way, and again when that was lost. Threads may share it."""

    def __init__(self, settings: SmbSettings) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._way: Way | None = None

    def way(self) -> Way:
        """Return the way to the share. Raises Refused, also when there is no such folder, Lost, and ConfigError."""
        with self._lock:
            if self._way is None or not self._way.link.alive:
                self._drop()
                self._way = _connected(self._settings)
            return self._way

    def close(self) -> None:
        """Log off."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.link.close()


def _connected(settings: SmbSettings) -> Way:
    link = log_in(settings)
    try:
        with opened(link, path(settings.folder), LOOK, options=FOLDER_ONLY):
            pass
        channel = link.channel
        # A server that grants little shall not have it all spent on one request.
        piece = min(PIECE, channel.max_write_size, channel.max_read_size, max(1, link.credit // 4) * CREDIT)
        return Way(link, lane_for(link, piece), piece)
    except BaseException:
        link.close()
        raise
