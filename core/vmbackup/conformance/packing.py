"""What is packed and unpacked when a compressor is held against its promises, and how."""

from collections.abc import Callable, Iterable, Iterator

from typing_extensions import Buffer

from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import PromiseBroken, require
from vmbackup.contracts import Compressor
from vmbackup.errors import ImageError
from vmbackup.settings import Settings

CompressorPromise = Callable[[Compressor[Settings]], None]


def content(size: int) -> bytes:
    """Return `size` bytes that are partly zero, partly repeated and partly noise, as a disk is, the same every time."""
    words = b"".join(noise(5, str(number % 37)) for number in range(MIB // 20))
    rest = words + bytes(MIB - MIB // 4 - len(words))
    return b"".join(noise(MIB // 4, str(number)) + rest for number in range(size // MIB + 1))[:size]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Yield `data` in chunks of `size` bytes, which own them."""
    return (data[start : start + size] for start in range(0, len(data), size))


def pack(compressor: Compressor[Settings], chunks: Iterable[Buffer]) -> list[bytes]:
    """Return the compressed stream, in the chunks that the compressor makes of it."""
    return [bytes(chunk) for chunk in list(compressor.compress(chunks))]


def unpack(compressor: Compressor[Settings], packed: Iterable[Buffer]) -> bytes:
    """Unpack as vmbackup does: with an object that has no settings, for who restores may have lost them."""
    kind = type(compressor)
    return b"".join(list(kind(compressor.label, kind.Settings()).decompress(packed)))


def require_back(compressor: Compressor[Settings], packed: Iterable[Buffer], data: bytes, what: str) -> None:
    """Require that `packed` unpacks to `data`; `what` is the name of that."""
    try:
        found = unpack(compressor, packed)
    except ImageError as error:
        raise PromiseBroken(f"{what} was packed, and does not unpack: {error}") from error
    require(found == data, f"{what} was packed, and {len(found):,} bytes that are not it come back")


def require_refused(compressor: Compressor[Settings], packed: Iterable[Buffer], what: str) -> None:
    """Require that `packed` does not unpack, and that it is ImageError that says so; `what` is the name of it."""
    try:
        found = unpack(compressor, packed)
    except ImageError:
        return
    except Exception as error:
        raise PromiseBroken(f"{what} raised {type(error).__name__}, not ImageError: {error}") from error
    require(kept=False, message=f"{what} unpacks to {len(found):,} bytes; ImageError is due")
