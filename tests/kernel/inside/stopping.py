"""Stores that stop at chosen places, so that something can happen to all of them at once."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from vmbackup import Target, TargetError
from vmbackup.settings import Settings

# Small, for on a mount whose server is silent each piece that waits to be written has a time-out of its own.
PIECE = 128 << 10
PIECES = 8
# What Python itself tells just before it makes a folder, opens the unfinished file, gives it its name, and removes the
# hidden one; and the pieces before which the source stops, the last being its end.
CALLS = ("os.mkdir", "open", "os.link", "os.remove")
PLACES: Sequence[str] = (*CALLS, *map(str, (0, 1, 2, 4, 6, PIECES)))

_stores: dict[int, "Store"] = {}


class Store(threading.Thread):
    """One store, which stops at one place until `go` is set."""

    def __init__(self, target: Target[Settings], place: str, go: threading.Event) -> None:
        """Prepare to store `key`, in a folder of its own."""
        super().__init__(daemon=True)
        self.key = f"pool/vm-{place.replace('.', '-')}/image.xva"
        self.place = place
        self.reached = threading.Event()
        self.error: TargetError | None = None
        self._target = target
        self._go = go

    def run(self) -> None:
        _stores[threading.get_ident()] = self
        try:
            self._target.store(self.key, self._pieces())
        except TargetError as error:
            self.error = error
        finally:
            del _stores[threading.get_ident()]

    def _pieces(self) -> Iterator[bytes]:
        for number in range(PIECES):
            self.come_to(str(number))
            yield content(self.key, number)
        self.come_to(str(PIECES))

    def come_to(self, place: str) -> None:
        if place == self.place and not self.reached.is_set():
            self.reached.set()
            self._go.wait()


def content(key: str, number: int) -> bytes:
    return f"{key} {number}".ljust(64).encode() * (PIECE // 64)


def whole(key: str) -> bytes:
    return b"".join(content(key, number) for number in range(PIECES))


def stores_at_every_place(target: Target[Settings], happens: Callable[[], None]) -> list[Store]:
    """Begin a store for each place, let `happens` happen when all have come to theirs, and let them go on."""
    go = threading.Event()
    stores = [Store(target, place, go) for place in PLACES]
    for store in stores:
        store.start()
    for store in stores:
        assert store.reached.wait(60), f"{store.place} was never come to"
    happens()
    go.set()
    return stores


def join(threads: Sequence[threading.Thread]) -> None:
    """Wait for all of them; one that hangs is a failure."""
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f"{getattr(thread, 'key', thread.name)} hangs"


def settle() -> None:
    """Wait until the threads that were left waiting for the server have got their answers."""
    join([thread for thread in threading.enumerate() if thread.name == "deadline"])


def _listen(event: str, _: object) -> None:
    if event in CALLS and (store := _stores.get(threading.get_ident())):
        store.come_to(event)


sys.addaudithook(_listen)
