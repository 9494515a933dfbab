"""A small old tree of raw images, and targets that die in the middle of adopting one."""

from collections.abc import Iterable
from pathlib import Path

from tests.core.stores import INSTALLATION, Killed, Mortal, begun
from typing_extensions import Buffer

from vmbackup import Named, Names, OtherNames, Stored
from vmbackup.adopt import Adopter, Attempt, Copy, clear, find
from vmbackup.repository import Repository

SIZE = 64 << 10
UUID = "11111111-0000-4000-8000-000000000000"


def lay(root: Path, vm: str = "web 01", day: int = 1, *, size: int | None = SIZE, data: int = SIZE) -> Path:
    """A copy in the layout of 3.0: a raw image of `data` bytes of a disk that had `size`."""
    copy = root / vm / f"backup-2016-04-{day:02}-(02:00:00)"
    (copy / "DISK-xvda").mkdir(parents=True)
    (copy / "vm.cfg").write_text(f"name_label={vm}\norig_uuid={UUID}\n")
    (copy / "DISK-xvda" / "vbd.cfg").write_text("userdevice=0\n")
    if size is not None:
        (copy / "DISK-xvda" / "vdi.cfg").write_text(f"name_label=root\nvirtual_size={size}\n")
    (copy / f"{vm}.raw").write_bytes(bytes([day]) * data)
    (copy / "success").touch()
    return copy


def others(repository: Repository) -> OtherNames:
    found = repository.target.other_names()
    assert found is not None
    return found


def adopt(repository: Repository) -> list[Attempt]:
    """Adopt all that is there and not yet adopted, as the command does."""
    list(clear(repository, INSTALLATION))
    done = {backup.manifest.adopted.folder for backup in repository.backups() if backup.manifest.adopted}
    adopter = Adopter(repository, others(repository), begun(), "weekend")
    copies = [found for found in find(others(repository), (), ()) if isinstance(found, Copy)]
    return [adopter.adopt(copy, lambda _: None) for copy in copies if copy.folder not in done]


class MortalNames:
    """Other names of a target whose process is killed before the change after so many changes."""

    def __init__(self, inner: OtherNames, live: "MortalTarget") -> None:
        self._inner = inner
        self._target = live

    def entries(self, folder: Names) -> list[Named]:
        return self._inner.entries(folder)

    def read(self, names: Names, limit: int) -> bytes:
        return self._inner.read(names, limit)

    def is_same(self, names: Names, key: str) -> bool | None:
        return self._inner.is_same(names, key)

    def give_key(self, names: Names, key: str) -> Stored:
        self._target.live()
        return self._inner.give_key(names, key)

    def give_names(self, key: str, names: Names) -> None:
        self._target.live()
        self._inner.give_names(key, names)

    def mark(self, names: Names) -> None:
        self._target.live()
        self._inner.mark(names)

    def remove(self, names: Names) -> None:
        self._target.live()
        self._inner.remove(names)


class MortalTarget(Mortal):
    """A target that stays dead once it was killed: what would clean up after it has died with it."""

    dead = False

    def live(self) -> None:
        if self.dead or self.left == 0:
            self.dead = True
            raise Killed
        self.left -= 1

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        self.live()
        return super(Mortal, self).store(key, chunks)

    def delete(self, key: str) -> None:
        self.live()
        super(Mortal, self).delete(key)

    def other_names(self) -> OtherNames:
        return MortalNames(super().other_names(), self)
