"""Between two ends that hold the same keys, without a server; that a server understands it, the contract shows."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_targets.smb import frames
from vmbackup_targets.smb.envelope import Encrypted, Signature, Signed, cmac, gmac
from vmbackup_targets.smb.trouble import Lost

OURS, THEIRS = os.urandom(16), os.urandom(16)
PAYLOAD = os.urandom(5000)
SIGNATURES = pytest.mark.parametrize("sign", [gmac(OURS), cmac(OURS)], ids=["gmac", "cmac"])


def request(number: int = 7) -> bytes:
    numbers = frames.Numbers(number, 1, 1, 0)
    return frames.write_request(frames.Address(0x1234, 5), numbers, bytes(16), 0, len(PAYLOAD))


def answer(sign: Signature, number: int = 7, status: int = 0, flags: int = frames.SIGNED | 1) -> bytearray:
    message = bytearray(request(number) + PAYLOAD)
    struct.pack_into("<I", message, 8, status)
    struct.pack_into("<I", message, 16, flags)
    message[frames.SIGNATURE] = sign([bytes(message)], number, 1)
    return message


@given(st.binary(max_size=300))
def test_what_one_end_encrypts_the_other_reads(payload: bytes) -> None:
    here, there = Encrypted(1, OURS, THEIRS, 1 << 20), Encrypted(1, THEIRS, OURS, 1 << 20)
    for _ in range(2):
        sealed = b"".join(here.wrap(request(), memoryview(payload), 7))
        assert payload[:16] not in sealed or len(payload) < 16
        opened = there.unwrap(memoryview(sealed))
        assert opened is not None
        assert bytes(opened) == request() + payload


def test_the_same_message_is_never_encrypted_alike() -> None:
    here = Encrypted(1, OURS, THEIRS, 1 << 20)
    assert len({b"".join(here.wrap(request(), memoryview(PAYLOAD), 7)) for _ in range(50)}) == 50


@given(st.integers(4, 52 + 112 + 5000 - 1), st.integers(1, 255))
def test_no_byte_of_an_encrypted_message_can_be_changed(place: int, change: int) -> None:
    here, there = Encrypted(1, OURS, THEIRS, 1 << 20), Encrypted(1, THEIRS, OURS, 1 << 20)
    sealed = bytearray(b"".join(here.wrap(request(), memoryview(PAYLOAD), 7)))
    sealed[place] ^= change
    with pytest.raises(Lost, match="not what the server sent"):
        there.unwrap(memoryview(sealed))


@pytest.mark.parametrize("frame", [b"", b"\xfdSMB", b"\xfdSMB" + bytes(48), bytes(request()), b"HTTP/1.1 400"])
def test_what_is_not_encrypted_is_not_for_this_envelope(frame: bytes) -> None:
    assert Encrypted(1, OURS, THEIRS, 1 << 20).unwrap(memoryview(frame)) is None


@SIGNATURES
def test_a_signed_request_is_the_request_with_its_signature(sign: Signature) -> None:
    sent = b"".join(Signed(sign).wrap(request(), memoryview(PAYLOAD), 7))
    assert sent[:48] + bytes(16) + sent[64:] == request() + PAYLOAD
    assert sent[frames.SIGNATURE] == sign([request() + PAYLOAD], 7, 0)


@SIGNATURES
def test_a_signed_answer_is_proven(sign: Signature) -> None:
    message = memoryview(answer(sign))
    opened = Signed(sign).unwrap(message)
    assert opened is not None
    Signed(sign).prove(opened, 7)


@SIGNATURES
@given(place=st.integers(0, 112 + 5000 - 1), change=st.integers(1, 255))
def test_no_byte_of_a_signed_answer_can_be_changed(sign: Signature, place: int, change: int) -> None:
    message = answer(sign)
    message[place] ^= change
    with pytest.raises((Lost, ValueError)):
        Signed(sign).prove(memoryview(message), 7)


@SIGNATURES
def test_an_answer_must_be_signed(sign: Signature) -> None:
    with pytest.raises(Lost):
        Signed(sign).prove(memoryview(answer(sign, flags=1)), 7)
    unsigned = answer(sign)
    unsigned[frames.SIGNATURE] = bytes(16)
    with pytest.raises(Lost):
        Signed(sign).prove(memoryview(unsigned), 7)


def test_only_pending_may_come_unsigned() -> None:
    Signed(gmac(OURS)).prove(memoryview(answer(gmac(THEIRS), status=0x103, flags=3)), 7)


def test_the_signature_of_another_message_does_not_do() -> None:
    with pytest.raises(Lost):
        Signed(gmac(OURS)).prove(memoryview(answer(gmac(OURS), number=7)), 8)
    ours = answer(gmac(OURS))
    ours[frames.SIGNATURE] = gmac(OURS)([bytes(ours[:48]) + bytes(16) + bytes(ours[64:])], 7, 0)
    with pytest.raises(Lost):
        Signed(gmac(OURS)).prove(memoryview(ours), 7)


def test_what_is_encrypted_is_not_for_a_signing_envelope() -> None:
    assert Signed(gmac(OURS)).unwrap(memoryview(b"\xfdSMB" + bytes(100))) is None
