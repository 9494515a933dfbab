"""The requests and answers of reads and writes as bytes (MS-SMB2 2.2.1, 2.2.19 to 2.2.22, 2.2.41)."""

import struct
from dataclasses import dataclass
from typing import Final

# The fields: protocol, size, credit charge, status, command, credits, flags, next, message, process, tree, session,
# signature.
_HEADER: Final = struct.Struct("<4sHHIHHIIQIIQ16s")
_READ: Final = struct.Struct("<HBBIQ16sIIIHHB")
_WRITE: Final = struct.Struct("<HHIQ16sIIHHI")
_READ_ANSWER: Final = struct.Struct("<HBxI")
_WRITE_ANSWER: Final = struct.Struct("<HxxI")
_TRANSFORM: Final = struct.Struct("<16sIHHQ")

PLAIN: Final = b"\xfeSMB"
SEALED: Final = b"\xfdSMB"
HEADER_SIZE: Final = _HEADER.size
SIGNATURE: Final = slice(48, 64)
TRANSFORM_SIZE: Final = 4 + 16 + _TRANSFORM.size
WRITE_SIZE: Final = _HEADER.size + _WRITE.size
READ_COMMAND: Final = 8
WRITE_COMMAND: Final = 9
SIGNED: Final = 0x8


@dataclass(frozen=True, slots=True)
class Address:
    """Whose requests they are: the session and the tree, as the server numbers them."""

    session: int
    tree: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a request's header says of it: its own number, what it costs, the credits asked for, and flags."""

    message: int
    charge: int
    asked: int
    flags: int


@dataclass(frozen=True, slots=True)
class Head:
    """What we read in the header of an answer."""

    status: int
    command: int
    granted: int
    flags: int
    following: int
    message: int
    session: int


def write_request(address: Address, numbers: Numbers, file: bytes, offset: int, length: int) -> bytes:
    """The header of a WRITE; its payload of `length` bytes comes right behind it."""
    return _header(address, WRITE_COMMAND, numbers) + _WRITE.pack(49, WRITE_SIZE, length, offset, file, 0, 0, 0, 0, 0)


def read_request(address: Address, numbers: Numbers, file: bytes, offset: int, length: int) -> bytes:
    """A READ of `length` bytes, of which the server may return fewer, but one at least."""
    return _header(address, READ_COMMAND, numbers) + _READ.pack(
        49, HEADER_SIZE + 16, 0, length, offset, file, 1, 0, 0, 0, 0, 0
    )


def head(frame: memoryview) -> Head:
    """The header of an answer. Raises ValueError for what is none."""
    if len(frame) < HEADER_SIZE or bytes(frame[:4]) != PLAIN:
        raise ValueError("a frame is no SMB 2 message")
    _, _, _, status, command, granted, flags, following, message, _, _, session, _ = _HEADER.unpack_from(frame)
    return Head(status, command, granted, flags, following, message, session)


def written(frame: memoryview) -> int:
    """The number of bytes that the answer to a WRITE says were written. Raises ValueError."""
    if len(frame) < HEADER_SIZE + _WRITE_ANSWER.size:
        raise ValueError("the answer to a write is cut short")
    return int(_WRITE_ANSWER.unpack_from(frame, HEADER_SIZE)[1])


def payload(frame: memoryview) -> memoryview:
    """The bytes that the answer to a READ holds. Raises ValueError."""
    if len(frame) < HEADER_SIZE + _READ_ANSWER.size:
        raise ValueError("the answer to a read is cut short")
    _, offset, length = _READ_ANSWER.unpack_from(frame, HEADER_SIZE)
    if offset < HEADER_SIZE or offset + length > len(frame):
        raise ValueError("the answer to a read is cut short")
    return frame[offset : offset + length]


def transform(nonce: bytes, size: int, session: int) -> bytes:
    """What is authenticated of the header before an encrypted message of `size` bytes: all behind its signature."""
    return _TRANSFORM.pack(nonce.ljust(16, b"\0"), size, 0, 1, session)


def _header(address: Address, command: int, numbers: Numbers) -> bytes:
    return _HEADER.pack(
        PLAIN,
        HEADER_SIZE,
        numbers.charge,
        0,
        command,
        numbers.asked,
        numbers.flags,
        0,
        numbers.message,
        0,
        address.tree,
        address.session,
        bytes(16),
    )
