"""Streams of compressors, in one go."""

from collections.abc import Iterator

from vmbackup import Compressor, Settings

MIB = 1 << 20


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def packed(compressor: Compressor[Settings], data: bytes) -> bytes:
    return b"".join(compressor.compress(cut(data, MIB)))


def unpacked(compressor: Compressor[Settings], data: bytes) -> bytes:
    return b"".join(compressor.decompress(cut(data, MIB)))
