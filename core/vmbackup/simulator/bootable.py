"""The contents of system disks that a guest boots from, by fingerprint; whatever else a disk holds does not boot."""

import threading
from pathlib import Path


class Bootable:
    """What is known to boot, kept in a file, a line for each fingerprint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = set(path.read_text("ascii").split()) if path.exists() else set[str]()

    def learn(self, fingerprint: str) -> None:
        """Let a guest boot from these contents from now on."""
        with self._lock:
            if fingerprint not in self._known:
                self._known.add(fingerprint)
                with self._path.open("a", encoding="ascii") as file:
                    file.write(f"{fingerprint}\n")

    def knows(self, fingerprint: str) -> bool:
        """Say whether a guest boots from these contents."""
        with self._lock:
            return fingerprint in self._known
