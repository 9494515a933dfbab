"""Against the library's own structures, which know the same layout from elsewhere."""

import os

import pytest
from smbprotocol.header import SMB2HeaderRequest, SMB2HeaderResponse
from smbprotocol.open import SMB2ReadRequest, SMB2ReadResponse, SMB2WriteRequest, SMB2WriteResponse

from vmbackup_targets.smb import frames

FILE = os.urandom(16)
ADDRESS = frames.Address(session=0x1122334455667788, tree=0x99AABBCC)
NUMBERS = frames.Numbers(message=77, charge=16, asked=32, flags=frames.SIGNED)


def header(request: bytes) -> SMB2HeaderRequest:
    read = SMB2HeaderRequest()
    read.unpack(request)
    return read


def answered(body: bytes, status: int = 0) -> memoryview:
    response = SMB2HeaderResponse()
    response["status"] = status
    response["command"] = frames.READ_COMMAND
    response["credit_response"] = 31
    response["message_id"] = 77
    response["session_id"] = ADDRESS.session
    response["data"] = body
    return memoryview(response.pack())


@pytest.mark.parametrize("command", [frames.READ_COMMAND, frames.WRITE_COMMAND])
def test_the_header_says_whose_request_it_is(command: int) -> None:
    make = frames.read_request if command == frames.READ_COMMAND else frames.write_request
    read = header(make(ADDRESS, NUMBERS, FILE, 0, 5))
    assert read["command"].get_value() == command
    assert read["credit_charge"].get_value() == 16
    assert read["credit_request"].get_value() == 32
    assert read["message_id"].get_value() == 77
    assert read["tree_id"].get_value() == ADDRESS.tree
    assert read["session_id"].get_value() == ADDRESS.session
    assert read["flags"].get_value() == frames.SIGNED


def test_a_write_says_what_goes_where() -> None:
    payload = os.urandom(100)
    write = SMB2WriteRequest()
    write.unpack(header(frames.write_request(ADDRESS, NUMBERS, FILE, 1 << 41, 100) + payload)["data"].get_value())
    assert (write["file_id"].get_value(), write["offset"].get_value(), write["length"].get_value()) == (
        FILE,
        1 << 41,
        100,
    )
    assert write["buffer"].get_value() == payload


def test_a_read_says_what_is_wanted() -> None:
    read = SMB2ReadRequest()
    read.unpack(header(frames.read_request(ADDRESS, NUMBERS, FILE, 1 << 41, 100))["data"].get_value())
    assert (read["file_id"].get_value(), read["offset"].get_value(), read["length"].get_value()) == (FILE, 1 << 41, 100)
    assert read["minimum_count"].get_value() == 1


def test_an_answer_is_read() -> None:
    response = SMB2WriteResponse()
    response["count"] = 4711
    message = answered(response.pack(), 0xC000007F)
    found = frames.head(message)
    assert (found.status, found.granted, found.message, found.session) == (0xC000007F, 31, 77, ADDRESS.session)
    assert frames.written(message) == 4711


def test_the_bytes_of_an_answer_are_where_it_says() -> None:
    response = SMB2ReadResponse()
    response["data_offset"] = 80
    response["buffer"] = b"some bytes"
    assert bytes(frames.payload(answered(response.pack()))) == b"some bytes"


@pytest.mark.parametrize("length", [0, 63])
def test_a_header_that_is_cut_short_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match="no SMB 2 message"):
        frames.head(answered(b"")[:length])


@pytest.mark.parametrize("length", [64, 71, 85])
def test_a_body_that_is_cut_short_is_an_error(length: int) -> None:
    response = SMB2ReadResponse()
    response["data_offset"] = 80
    response["buffer"] = b"some bytes"
    with pytest.raises(ValueError, match="cut short"):
        frames.payload(answered(response.pack())[:length])


def test_bytes_that_would_lie_in_the_header_are_an_error() -> None:
    response = SMB2ReadResponse()
    response["data_offset"] = 10
    response["buffer"] = b"some bytes"
    with pytest.raises(ValueError, match="cut short"):
        frames.payload(answered(response.pack()))
