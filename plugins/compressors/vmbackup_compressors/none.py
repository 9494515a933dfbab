"""No compression, under a name of its own, so that a job can say so."""

from collections.abc import Iterable, Iterator

from vmbackup import Buffer, Compressor, NoSettings


class Uncompressed(Compressor[NoSettings]):
    """No compression: images are stored as the pool sends them."""

    name = "none"
    suffix = ""
    unpack = ""

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The same chunks."""
        yield from chunks

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The same chunks: whether they are all there, only the image itself can tell."""
        yield from chunks
