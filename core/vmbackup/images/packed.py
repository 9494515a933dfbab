"""An image that the host compressed: what is stored stays as it came, and a decompressed copy is checked."""

import zlib
from collections.abc import Callable
from functools import partial
from typing import Final, Literal, TypeAlias

import zstandard

from vmbackup.images.check import Evidence, ImageCheck
from vmbackup.images.sequential import Reading, SequentialCheck

Packing: TypeAlias = Literal["gzip", "zstd"]

# Compressed bytes looked at in one step, and decompressed bytes that come out of one.
_STEP: Final = 64 << 10
_OUTPUT: Final = 1 << 20
_WINDOW: Final = 1 << 27
# So much of foreign bytes is looked at: the pool may say in them what went wrong.
_FOREIGN: Final = 512

_MAGIC: Final[dict[Packing, bytes]] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_RLE: Final = 1


def sniff(first: bytes) -> Packing | None:
    """Tell from its first four bytes how a stream is compressed; None is not at all."""
    return next((kind for kind, magic in _MAGIC.items() if first.startswith(magic)), None)


class PackedCheck(SequentialCheck):
    """Decompresses in bounded steps for another check, which must be one that keeps all of its image.

    A compressed stream that is whole proves nothing: a host that fails closes its compressor properly around half an
    image, and appends its error text after that (xapi: export.ml).
    """

    def __init__(self, kind: str, inner: ImageCheck) -> None:
        """`kind` is what the host was asked for, "gzip" or "zstd"; a stream of another kind is refused."""
        super().__init__()
        self._kind = kind
        self._inner = inner
        self._unpacked = 0
        self._place = f"its first bytes, which were to be {kind}"

    @property
    def position(self) -> int:
        """How many bytes of the decompressed image have been read."""
        return self._unpacked

    def _read(self) -> Reading[Evidence]:
        first = yield from self._up_to(4)
        found = sniff(first)
        if found != self._kind:
            # Hosts before 8.1 take every kind that they do not know for none (xapi: export.ml).
            raise self._fault(
                f"the host was asked for {self._kind}, but sends {found or 'nothing that is compressed'}",
                first + (yield from self._up_to(_FOREIGN)),
            )
        self._place = f"the {found} data"
        yield from self._gzip(first) if found == "gzip" else self._zstd(first)
        return self._inner.close()

    def _gzip(self, data: bytes) -> Reading[None]:
        while data:
            member = zlib.decompressobj(wbits=31)
            held_back = False
            while not member.eof:
                if not data and not held_back and not (data := (yield from self._some(_STEP))):
                    raise self._cut()
                # A full step may have left some of its output inside, although it used up its input.
                held_back = self._give(partial(member.decompress, max_length=_OUTPUT), data) == _OUTPUT
                data = member.unconsumed_tail
            data = member.unused_data or (yield from self._some(_STEP))
            if not data.startswith(_MAGIC["gzip"][: len(data)]):
                yield from self._foreign(data)

    def _zstd(self, magic: bytes) -> Reading[None]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        while magic:
            if magic != _MAGIC["zstd"]:
                yield from self._foreign(magic)
            yield from self._zstd_frame(magic, decompressor)
            magic = yield from self._up_to(4)

    def _zstd_frame(self, magic: bytes, decompressor: zstandard.ZstdDecompressor) -> Reading[None]:
        """Walk along the blocks of a frame (RFC 8878, 3.1.1): no block makes more than 128 KiB, whatever its length."""
        give = partial(self._give, decompressor.decompressobj().decompress)
        header = magic + (yield from self._take(1))
        try:
            header += yield from self._take(zstandard.frame_header_size(header) - len(header))
            facts = zstandard.get_frame_parameters(header)
        except zstandard.ZstdError as error:
            raise self._fault(f"the zstd data is damaged: {error}") from None
        if facts.window_size > _WINDOW:
            raise self._fault(f"the zstd data asks for a window of {facts.window_size:,} of {_WINDOW:,} bytes at most")
        give(header)
        last = False
        while not last:
            block = yield from self._take(3)
            give(block)
            number = int.from_bytes(block, "little")
            last = bool(number & 1)
            yield from self._pour(1 if number >> 1 & 3 == _RLE else number >> 3, give)
        if facts.has_checksum:
            give((yield from self._take(4)))

    def _give(self, decompress: Callable[[bytes], bytes], data: bytes) -> int:
        """Decompress and check a little; return how much came out."""
        try:
            output = decompress(data)
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._fault(f"the {self._kind} data is damaged: {error}", self._tail) from None
        if output:
            self._inner.feed(output)
            self._unpacked += len(output)
        return len(output)

    def _foreign(self, data: bytes) -> Reading[None]:
        """Tell what follows the compressed data and is none."""
        data += yield from self._up_to(_FOREIGN)
        raise self._fault(f"foreign bytes follow the {self._kind} data", data)
