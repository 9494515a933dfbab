"""Reading what a client uploads: its body, decompressed if need be, and the members of the tar in it (import.ml)."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import zstandard

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyHook, BodyRule, PlaceRule, Slow, Stall
from vmbackup.simulator.handlers.body import end
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.pace import Pace, stall
from vmbackup.simulator.wire import PeerGone

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_BLOCK = 512
_PIECE = 256 << 10


class Source(Protocol):
    """Bytes that arrive."""

    def read(self, count: int) -> bytes:
        """Give at most `count` bytes, none at the end."""


class Upload:
    """The body of a request, as long as it says or up to the end of the stream, and the faults that strike it."""

    def __init__(self, exchange: Exchange, task: str, rules: Sequence[BodyRule]) -> None:
        self._exchange = exchange
        self._task = task
        self._left = exchange.request.length
        self._position = 0
        self._places = [rule for rule in rules if isinstance(rule, PlaceRule)]
        self._events = self._from("start")
        self._pace = next((Pace(exchange, rule) for rule in rules if isinstance(rule, Slow)), None)

    def read(self, count: int) -> bytes:
        """Give at most `count` bytes, none at the end. Raises Severed, HostDied or XapiError where a rule ends it."""
        self._strike()
        if self._events:
            count = min(count, self._events[0][0] - self._position)
        if self._pace is not None:
            count = min(count, self._pace.piece)
        if self._left is not None:
            count = min(count, self._left)
        if not count:
            return b""
        try:
            piece = self._exchange.wire.read(count)
        except PeerGone:
            return b""
        self._position += len(piece)
        if self._pace is not None:
            self._pace.wait(len(piece))
        if self._left is not None:
            self._left -= len(piece)
        return piece

    def records_made(self) -> None:
        """Begin to count for the rules that count from here. Raises what `read` does, for one that strikes at once."""
        self._events = sorted([*self._events, *self._from("records")], key=lambda event: event[0])
        self._strike()

    def _from(self, since: str) -> list[tuple[int, PlaceRule]]:
        events = [(self._position + rule.after, rule) for rule in self._places if rule.since == since]
        return sorted(events, key=lambda event: event[0])

    def _strike(self) -> None:
        while self._events and self._events[0][0] <= self._position:
            _, rule = self._events.pop(0)
            if isinstance(rule, Stall):
                stall(self._exchange, self._task, rule)
            elif isinstance(rule, BodyHook):
                rule.run()
            else:
                end(rule)


class Reader:
    """Reads exactly as much as is asked for, from a source whose compression is found by its first bytes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = bytearray()
        self._decompressor: zlib._Decompress | zstandard.ZstdDecompressionObj | None = None

    def sniff(self) -> None:
        """Look at the first bytes and decompress from now on if they are zstd's or gzip's."""
        while len(self._buffer) < len(_ZSTD) and (piece := self._source.read(_PIECE)):
            self._buffer += piece
        if self._buffer.startswith(_ZSTD):
            self._decompressor = zstandard.ZstdDecompressor().decompressobj()
        elif self._buffer.startswith(_GZIP):
            self._decompressor = zlib.decompressobj(wbits=31)
        if self._decompressor is not None:
            compressed = bytes(self._buffer)
            self._buffer.clear()
            self._inflate(compressed)

    def _inflate(self, piece: bytes) -> None:
        if self._decompressor is None:
            self._buffer += piece
            return
        try:
            self._buffer += self._decompressor.decompress(piece)
        except (zlib.error, zstandard.ZstdError):
            raise XapiError("IMPORT_ERROR_PREMATURE_EOF") from None

    def read_exactly(self, count: int) -> bytes:
        """Give `count` bytes. Raises XapiError `IMPORT_ERROR_PREMATURE_EOF`."""
        while len(self._buffer) < count:
            ended = self._decompressor is not None and self._decompressor.eof
            piece = b"" if ended else self._source.read(_PIECE)
            if not piece:
                raise XapiError("IMPORT_ERROR_PREMATURE_EOF")
            self._inflate(piece)
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found


@dataclass(frozen=True, slots=True)
class Member:
    """A tar member: its name and size in bytes."""

    name: str
    size: int


def next_member(reader: Reader) -> Member:
    """Read a tar header. Raises XapiError: the archive's end is a premature one to whom still needs something."""
    header = reader.read_exactly(_BLOCK)
    if not any(header):
        raise XapiError("IMPORT_ERROR_PREMATURE_EOF")
    blank = header[:148] + b" " * 8 + header[156:]
    if _octal(header[148:156]) != sum(blank):
        raise XapiError("IMPORT_ERROR", "Tar.Header.Checksum_mismatch")
    if header[156:157] not in {b"\0", b"0"}:
        raise XapiError("IMPORT_ERROR", "Tar.Header: not a regular file")
    name = _text(header[:100])
    if header[257:262] == b"ustar" and (prefix := _text(header[345:500])):
        name = f"{prefix}/{name}"
    return Member(name, _octal(header[124:136]))


def content(reader: Reader, member: Member) -> bytes:
    """Read a member's content and the padding behind it."""
    return reader.read_exactly(member.size + -member.size % _BLOCK)[: member.size]


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1")


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]+", text):
        raise XapiError("IMPORT_ERROR", "Tar.Header: a number is not octal")
    return int(text, 8)
