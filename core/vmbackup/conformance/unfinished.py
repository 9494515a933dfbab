"""Promises about what is not finished: it is never seen under its key, and it can be found and taken away."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from vmbackup.conformance.content import MIB, noise, read, require_absent, require_stored
from vmbackup.conformance.dying import WRITTEN, write_and_die
from vmbackup.conformance.holding import refused, require, taken
from vmbackup.contracts import Leftover, Target
from vmbackup.errors import KeyMissing, TargetError
from vmbackup.settings import Settings

# A server may take a while to notice that a client is gone.
PATIENCE_SECONDS = 10
CLOCKS_DIFFER = timedelta(hours=1)


class _SourceFailed(BaseException):
    """As a signal that arrives in the middle of a transfer, no Exception."""


def leaves_nothing_of_a_failed_source(target: Target[Settings]) -> None:
    """If the source raises, the same error goes on and nothing stays: no key, no folder, no unfinished file."""
    target.store("there/before", [b"x"])
    for error in (OSError(28, "of the source, not of the target"), TimeoutError(), ValueError(), _SourceFailed()):
        # The last is more than the smallest part of an upload to an object store, which is 5 MiB.
        for chunks in ([], [b"x"], [noise(6 * MIB), noise(MIB, "more")]):
            for key in ("there/key", "new/folder/key"):
                _require_raised(target, key, chunks, error)
                require_absent(target, key)
    listed = {entry.key for folder in ("", "there") for entry in target.entries(folder)}
    require(listed == {"there", "there/before"}, f"after sources that failed, {sorted(listed)} are listed")
    left = [leftover.key for leftover in target.leftovers()]
    require(not left, f"sources that failed leave unfinished files of {left}")
    with taken("storing a key whose source failed before"):
        target.store("there/key", [b"again"])
    require_stored(target, "there/key", b"again")


def _require_raised(target: Target[Settings], key: str, chunks: list[bytes], error: BaseException) -> None:
    def source() -> Iterator[bytes]:
        yield from chunks
        raise error

    try:
        target.store(key, source())
    except BaseException as raised:
        if raised is not error and not isinstance(raised, Exception):
            raise
        require(raised is error, f"the source raised {error!r}, store raised {raised!r}")
    else:
        require(kept=False, message=f"the source raised {error!r}, and store returned")


def hides_what_is_unfinished(target: Target[Settings]) -> None:
    """While a file is written it has no size, no bytes and no place in a listing."""

    def source() -> Iterator[bytes]:
        for number in range(3):
            yield noise(2 * MIB, str(number))
            require_absent(target, "a/key")
            with refused(KeyMissing, "fetching what is being written"):
                read(target, "a/key")

    target.store("a/key", source())
    require_stored(target, "a/key", b"".join(noise(2 * MIB, str(number)) for number in range(3)))


def finds_what_a_dead_writer_left(target: Target[Settings]) -> None:
    """After a writer was killed its key is free, and `leftovers` finds and `discard` removes all that it left.

    The writer is a process that is killed while it asks its source for more: it gets another object of the same class
    with the same settings. So the class must be importable by its name.
    """
    key = "died/here/image.xva"
    target.store("lives", [b"x"])
    write_and_die(target, key)
    require_absent(target, key)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _discarded(target, key):
        require(
            time.monotonic() < deadline,
            f"a writer of {key} was killed, and what it left cannot be discarded within {PATIENCE_SECONDS} s:"
            f" {[entry.key for entry in target.entries()]} are listed, leftovers are {list(target.leftovers())}",
        )
        time.sleep(0.2)
    require_stored(target, "lives", b"x")
    with taken("storing a key whose writer was killed"):
        target.store(key, [b"again"])
    require_stored(target, key, b"again")


def _discarded(target: Target[Settings], key: str) -> bool:
    """Discard what is left of `key`, and say whether nothing is any more."""
    for leftover in list(target.leftovers()):
        _require_credible(leftover, key)
        try:
            target.discard(leftover)
        except TargetError:
            # Its writer may seem to live until the server has noticed its death.
            return False
        with taken("discarding what is gone"):
            target.discard(leftover)
    require_absent(target, key)
    return [entry.key for entry in target.entries()] == ["lives"] and not any(target.leftovers())


def _require_credible(leftover: Leftover, key: str) -> None:
    require(leftover.key == key, f"leftovers are of {key}, and one is given as of {leftover.key}")
    require(
        0 <= leftover.size <= WRITTEN,
        f"a leftover of {key} is given {leftover.size:,} bytes; its writer wrote {WRITTEN:,}",
    )
    require(
        leftover.modified.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - leftover.modified) < CLOCKS_DIFFER,
        f"a leftover of {key} that was written just now is given the time {leftover.modified}; it must be UTC",
    )
