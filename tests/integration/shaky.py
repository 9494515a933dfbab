"""A target of a stranger's: a folder that hangs, fails or crawls in the middle of images, as files beside it say."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmbackup import Buffer, Plugin, Settings, Stored, TargetError, hookimpl
from vmbackup_targets.local import Local


class Shaky(Local):
    """A folder that hangs in images while there is `hangs` beside it, and fails while there is `fails`.

    It cannot read them while there is `cannot-read`, and takes a while for each piece while there is `crawls`.
    """

    name = "shaky"

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, self._shaken(key, chunks) if "/image" in key else chunks)

    def stat(self, key: str) -> Stored | None:
        self._hang("hangs-at-once")
        return super().stat(key)

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        for piece in super().fetch(key, offset, length):
            if "/image" in key and self._told("cannot-read"):
                raise TargetError(f"{key}: Input/output error", advice="See dmesg.")
            if "/image" in key and self._told("crawls"):
                time.sleep(0.2)
            yield piece

    def _shaken(self, key: str, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            yield chunk
            self._hang("hangs")
            if self._told("fails"):
                raise TargetError(f"{key}: the disk is full")

    def _hang(self, word: str) -> None:
        while self._told(word):
            time.sleep(0.05)

    def _told(self, word: str) -> bool:
        return Path(f"{self.settings.path}.{word}").exists()


@hookimpl
def vmbackup_register() -> list[type[Plugin[Settings]]]:
    return [Shaky]
