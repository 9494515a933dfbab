"""A mirror while it is reached: what it holds, and one thing after the other that is done there."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial

from vmbackup.config import MirrorRules
from vmbackup.contracts import Mirror
from vmbackup.mirroring.choosing import lacking, surplus, vanished
from vmbackup.mirroring.original import StoredOriginal
from vmbackup.repository import Repository
from vmbackup.results import Backup, Failure, Mirrored
from vmbackup.settings import Settings

Lying = tuple[Backup, Repository]


class Visit:
    """A mirror that has been entered. What fails there is a result, and the next thing is done all the same."""

    def __init__(self, mirror: Mirror[Settings], rules: MirrorRules, beat: Callable[[], None]) -> None:
        """`beat` is told whenever something moves. Raises what listing the mirror raises."""
        self._mirror = mirror
        self._rules = rules
        self._beat = beat
        self._held = set(mirror.holds())
        self._tried: set[str] = set()

    def bring(self, lying: Iterable[Lying]) -> Iterator[Mirrored]:
        """Copy what the mirror lacks of these backups, the newest first, each once in a visit however it ends.

        What cannot be read on one target is copied from the next that has it, and both are told.
        """
        where: dict[str, list[Lying]] = {}
        for backup, repository in lying:
            if backup.folder not in self._tried and not backup.fault:
                where.setdefault(backup.folder, []).append((backup, repository))
        for wanted in list(lacking((places[0][0] for places in where.values()), self._held, self._rules)):
            self._tried.add(wanted.folder)
            for backup, repository in where[wanted.folder]:
                result, elsewhere = self._copy(backup, repository)
                yield result
                if not elsewhere:
                    break
            if result.failure is None:
                self._held.add(wanted.folder)

    def clear(self, there: Collection[str] | None) -> Iterator[Mirrored]:
        """Remove what the mirror need not keep; `there` are the folders on the targets, None if that is not known."""
        gone = surplus(self._held, self._rules)
        if there is not None:
            gone += [folder for folder in vanished(self._held, there, self._rules) if folder not in gone]
        for folder in gone:
            failure = self._try("remove", folder, partial(self._mirror.remove, folder))
            yield Mirrored(self._mirror.label, folder, "removed", failure=failure)
            if failure is None:
                self._held.discard(folder)

    def _copy(self, backup: Backup, repository: Repository) -> tuple[Mirrored, bool]:
        """Copy a backup from one target; say, too, whether it was that target which failed."""
        began = time.monotonic()
        original: StoredOriginal | None = None

        def copy() -> None:
            nonlocal original
            original = StoredOriginal(backup, repository, self._beat)
            self._mirror.copy(original)

        failure = self._try("copy", backup.folder, copy)
        size, unread = (original.size, original.unread) if original else (0, True)
        result = Mirrored(self._mirror.label, backup.folder, "copied", size, time.monotonic() - began, failure)
        return result, failure is not None and unread

    def _try(self, doing: str, folder: str, call: Callable[[], None]) -> Failure | None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a stranger's plugin may raise anything
            failure = Failure.of("mirror", error)
            return replace(failure, message=f"{self._mirror.label}: {doing} {folder}: {failure.message}")
        finally:
            self._beat()
        return None
