"""Promises about files that lie there: what was stored is what is found, and nothing else."""

from array import array
from collections.abc import Iterator

from typing_extensions import Buffer

from vmbackup.conformance.below import whole
from vmbackup.conformance.content import MIB, noise, read, require_same, require_stored
from vmbackup.conformance.holding import refused, require
from vmbackup.contracts import Entry, Stored, Target
from vmbackup.errors import KeyMissing
from vmbackup.settings import Settings


def keeps_every_byte(target: Target[Settings]) -> None:
    """What is stored can be read at once, byte for byte, whatever kind of buffer it came in.

    A chunk is valid only until the next is asked for, so a target that keeps one without copying stores something else.
    """
    own = bytearray(b"the first chunk, ")

    def chunks() -> Iterator[Buffer]:
        yield own
        own[:] = b"the second, which is longer, in the same memory, "
        yield memoryview(own).toreadonly()
        yield b""
        yield array("I", [1, 2, 3])

    wanted = b"the first chunk, the second, which is longer, in the same memory, " + array("I", [1, 2, 3]).tobytes()
    stored = target.store("a/key", chunks())
    require(stored == Stored("a/key", len(wanted)), f"store reports {stored} for a/key of {len(wanted):,} bytes")
    require_stored(target, "a/key", wanted)


def keeps_empty_files(target: Target[Settings]) -> None:
    """A file may be empty, from no chunks or from chunks without bytes."""
    for key, chunks in (("none", []), ("empty", [b"", b""])):
        stored = target.store(f"a/{key}", chunks)
        require(stored.size == 0, f"store reports {stored.size:,} bytes for an empty file")
        require_stored(target, f"a/{key}", b"")


def keeps_large_files(target: Target[Settings]) -> None:
    """A file may be larger than what fits into one request or one buffer, and so may a chunk."""
    chunks = [noise(size, str(size)) for size in (MIB, 17 * MIB + 1, 5, MIB - 5, 3 * MIB // 2)]
    chunks += [noise(MIB, str(number)) for number in range(12)]
    size = sum(map(len, chunks))
    stored = target.store("large/image.xva", chunks)
    require(stored.size == size, f"store reports {stored.size:,} bytes for a file of {size:,}")
    found = target.stat("large/image.xva")
    require(found == Stored("large/image.xva", size), f"stat says {found} where {size:,} bytes are stored")
    require_same(target, "large/image.xva", chunks)


def keeps_zeros(target: Target[Settings]) -> None:
    """Zeros are bytes as all others, also at the end of an image, and whether the target makes holes of them or not."""
    block = noise(MIB)
    image = [bytes(MIB), block, bytes(2 * MIB), block[:7], bytes(MIB - 7), bytes(3 * MIB + 512)]
    for key in ("a/disk-0.raw", "a/image.xva"):
        target.store(key, image)
        require_stored(target, key, b"".join(image))
    target.store("a/nothing.raw", [bytes(MIB), bytes(MIB + 1)])
    require_stored(target, "a/nothing.raw", bytes(2 * MIB + 1))


def reads_any_window(target: Target[Settings]) -> None:
    """A file can be fetched from any offset, for any length; beyond its end there is nothing, and that is no error."""
    data = noise(3 * MIB + 17)
    target.store("a/key", [data])
    edges = (0, 1, MIB - 1, MIB, 2 * MIB + 5, len(data) - 1, len(data), len(data) + 1, 2 * len(data))
    for offset in edges:
        for length in (None, 0, 1, 4096, MIB, MIB + 1, 5 * MIB):
            wanted = data[offset:] if length is None else data[offset : offset + length]
            found = read(target, "a/key", offset, length)
            require(
                found == wanted,
                f"fetch from {offset:,} for {length} of {len(data):,} bytes gives {len(found):,} bytes"
                f" that are not the {len(wanted):,} that lie there",
            )


def says_what_is_missing(target: Target[Settings]) -> None:
    """Where nothing is stored, `stat` says None, `fetch` raises KeyMissing and `entries` yields nothing.

    A folder is no file, and below a file there is nothing.
    """
    target.store("a/b/file", [b"x"])
    for key in ("nothing", "no/such/folder", "a", "a/b", "a/b/fil", "a/b/file-2", "a/b/file/below"):
        found = target.stat(key)
        require(found is None, f"stat of {key} says {found} where nothing is stored")
        with refused(KeyMissing, f"fetching {key}, where nothing is stored,"):
            read(target, key)
    for prefix in ("nothing", "no/such/folder", "a/b/file"):
        listed = list(target.entries(prefix))
        require(not listed, f"entries of {prefix}, which is no folder, are {listed}")


def lists_what_is_there(target: Target[Settings]) -> None:
    """A listing has each file with its size, and each folder, that is directly below its prefix, once and at once."""
    tree = {
        "": {Entry("file", 5), Entry("a", None), Entry("ab", None)},
        "a": {Entry("a/file", 1), Entry("a/b", None)},
        "a/b": {Entry("a/b/one", 300), Entry("a/b/two", 0)},
        "ab": {Entry("ab/three", 2)},
    }
    for entries in tree.values():
        for entry in entries:
            if entry.size is not None:
                target.store(entry.key, [bytes(entry.size)])
    for prefix, wanted in tree.items():
        listed = list(target.entries(prefix))
        told = sorted(listed, key=lambda entry: entry.key)
        require(set(listed) == wanted and len(listed) == len(wanted), f"entries of {prefix or 'the root'} are {told}")
    root, folder = whole(target)
    top = folder.partition("/")[0]
    require(not top or Entry(top, None) in set(root.entries()), f"the root's entries have no folder {top}")
