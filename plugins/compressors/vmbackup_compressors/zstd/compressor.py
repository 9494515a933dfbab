"""The compressor `zstd`."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from vmbackup import Buffer, Compressor, Settings
from vmbackup_compressors.in_order import usual_threads
from vmbackup_compressors.zstd.packing import pack
from vmbackup_compressors.zstd.unpacking import unpack


class ZstdSettings(Settings):
    """How hard to try."""

    level: int = Field(default=3, ge=1, le=19, description="1 is fast, 19 is small and very slow")
    threads: int = Field(default=0, ge=0, le=64, description="how many threads compress; 0: one a processor, 8 at most")
    long: bool = Field(default=False, description="look for repetitions in all 16 MiB of a frame")


class Zstd(Compressor[ZstdSettings]):
    """Zstandard: fast, and good with the empty space of disks; `zstd -d` unpacks it."""

    name = "zstd"
    suffix = ".zst"
    unpack = "zstd -dc"
    Settings = ZstdSettings

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """Frames of 16 MiB of content each, with checksums, and their table at the end, in pieces of 1 MiB at most."""
        return pack(chunks, self.settings.level, self._threads(), long=self.settings.long)

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The content, in pieces of 1 MiB at most.

        Raises ImageError for damage, for a stream that ends early or does not end, for frames that are missing, and
        for a window of more than 128 MiB.
        """
        return unpack(chunks, self._threads())

    def _threads(self) -> int:
        return self.settings.threads or usual_threads()
