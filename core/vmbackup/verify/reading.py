"""A stored file on its way back: digested as it lies there, unpacked, and digested as it was."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images import ImageCheck, PackedCheck, RawCheck, Sink, VhdCheck, XvaCheck
from vmbackup.manifest import Image, StoredFile, Undigested
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.stream import Meter, ahead, counted

Tell = Callable[[int], None]
_LARGE = 256 << 10


def content(
    backup: Backup, file: StoredFile, repository: Repository, registry: Registry, tell: Tell = lambda _: None
) -> Iterator[Buffer]:
    """Yield a file as it was before our compression. At its end it has proven to be what the manifest says.

    Of a file that is Undigested the size alone is known.

    One thread reads and digests, one unpacks, and the caller's digests what was unpacked. Raises ImageError where it is
    not, TargetError where it cannot be read.
    """
    stored = Meter(counted(repository.target.fetch(f"{backup.folder}/{file.name}"), tell))
    read = ahead(iter(stored))
    # Without compression of ours both digests are of the same bytes, which are then hashed once.
    ours = file.packed_by == "vmbackup"
    unpacked = Meter(ahead(_owned(unpack(file, read, registry))), file.content_kind) if ours else stored
    yield from read if unpacked is stored else unpacked
    if stored.size != file.size:
        raise ImageError(f"{file.name} has {stored.size:,} bytes instead of {file.size:,}", position=stored.size)
    if isinstance(file, Undigested):
        return
    if stored.hexdigest != file.sha256:
        raise ImageError(f"{file.name} is not what was stored: its SHA-256 has changed", position=stored.size)
    if (unpacked.size, unpacked.digest) != (file.content_size, file.content_digest):
        raise ImageError(f"{file.name} does not unpack to what was backed up", position=unpacked.size)


def unpack(file: StoredFile, stored: Iterable[Buffer], registry: Registry) -> Iterable[Buffer]:
    """Undo our compression, if there is any; what a host compressed is left as the host takes it back."""
    if file.packed_by != "vmbackup" or file.compressor is None:
        return stored
    return registry.compressor(file.compressor, {}).decompress(stored)


def image_check(image: Image, file: StoredFile, sinks: Mapping[str, Sink] | None = None) -> ImageCheck:
    """Return the check for a stored image, as strict as the one that it passed when it was written.

    `sinks` are given the data of disks, by their UUID in the image, while the check reads it.
    """
    sinks = sinks or {}
    if image.format == "xva":
        whole: ImageCheck = XvaCheck({disk.uuid: disk.virtual_size for disk in image.disks}, sinks)
    else:
        size = image.disks[0].virtual_size if image.disks else 0
        sink = sinks.get(image.disks[0].uuid) if image.disks else None
        whole = RawCheck(size, sink) if image.format == "raw" else VhdCheck(size, sink)
    return PackedCheck(file.compressor, whole) if file.packed_by == "host" and file.compressor else whole


def prove_image(
    pieces: Iterable[Buffer], image: Image, file: StoredFile, sinks: Mapping[str, Sink] | None = None
) -> None:
    """Read the image that `pieces` are, and hold it against what was proven of it while it was written.

    What `sinks` were given, each of one disk by its UUID in the image, is good when this has returned. Raises
    ImageError, and what reading the pieces raises.
    """
    for _ in proving(pieces, image, file, sinks):
        pass


def proving(
    pieces: Iterable[Buffer], image: Image, file: StoredFile, sinks: Mapping[str, Sink] | None = None
) -> Iterator[None]:
    """Do what `prove_image` does, piece after piece: whoever goes on with it may use between what the sinks have got.

    At its end alone the image is proven.
    """
    check = image_check(image, file, sinks)
    for piece in pieces:
        check.feed(piece)
        yield
    evidence = check.close()
    before = sorted(disk.blocks_digest for disk in image.disks)
    if not isinstance(file, Undigested) and sorted(disk.blocks_digest for disk in evidence.disks) != before:
        raise ImageError("the image holds other blocks than when it was written", position=evidence.size)


def _owned(chunks: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield chunks that outlast the next one, since a compressor may use its memory again, and none that is small.

    What goes from thread to thread in pieces of 2 KiB costs more than it takes to unpack it.
    """
    small = bytearray()
    for chunk in chunks:
        with memoryview(chunk) as view:
            large, lasting = view.nbytes >= _LARGE, isinstance(view.obj, bytes)
        if not large:
            small += chunk
        if small and (large or len(small) >= _LARGE):
            yield bytes(small)
            small.clear()
        if large:
            yield chunk if lasting else bytes(chunk)
    if small:
        yield bytes(small)
