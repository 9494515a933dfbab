"""How messages are protected on their way: encrypted with AES-GCM, or signed with AES-GMAC or AES-CMAC.

The buffers are used again, so an envelope serves one sender at a time and one receiver at a time.
"""

import hmac
import os
from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

from vmbackup_targets.smb.frames import (
    PLAIN,
    SEALED,
    SIGNATURE,
    SIGNED,
    TRANSFORM_SIZE,
    WRITE_SIZE,
    head,
    transform,
)
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Lost

TAG: Final = 16
_NONCE: Final = 12
_TAMPERED: Final = "an answer is not what the server sent: something between us and the server changes it"


class Envelope(Protocol):
    """A way to protect messages; `flags` go into the headers of requests."""

    flags: int

    def wrap(self, header: bytes, payload: memoryview, message: int) -> Sequence[bytes | memoryview]:
        """The parts of the frame that carries message number `message`; they are valid until the next call."""

    def unwrap(self, frame: memoryview) -> memoryview | None:
        """The message in a frame, valid until the next call; None if it is protected in another way, or not at all.

        Raises Lost for one that was changed on its way, as far as that can be told before `prove`.
        """

    def prove(self, message: memoryview, number: int) -> None:
        """Raise Lost unless the message is the server's own, which is number `number`. It may be changed by this."""


class Encrypted:
    """AES-GCM. The payload is copied once, beside its header, because the cipher wants one piece."""

    flags = 0

    def __init__(self, session: int, encryption_key: bytes, decryption_key: bytes, largest: int) -> None:
        """`largest` is the number of bytes that a write may have."""
        self._session = session
        self._encrypt = AESGCM(encryption_key).encrypt_into
        self._key = algorithms.AES(decryption_key)
        self._plain = memoryview(bytearray(WRITE_SIZE + largest))
        self._sealed = memoryview(bytearray(WRITE_SIZE + largest + TAG))
        self._opened = memoryview(bytearray(1 << 16))

    def wrap(self, header: bytes, payload: memoryview, message: int) -> Sequence[bytes | memoryview]:
        """Encrypt header and payload under a fresh nonce."""
        del message
        size = len(header) + len(payload)
        self._plain[: len(header)] = header
        self._plain[len(header) : size] = payload
        nonce = os.urandom(_NONCE)
        bound = transform(nonce, size, self._session)
        self._encrypt(nonce, self._plain[:size], bound, self._sealed[: size + TAG])
        return [SEALED, self._sealed[size : size + TAG], bound, self._sealed[:size]]

    def unwrap(self, frame: memoryview) -> memoryview | None:
        """Decrypt, which proves the message as well."""
        if bytes(frame[:4]) != SEALED or len(frame) <= TRANSFORM_SIZE:
            return None
        tag, bound, sealed = frame[4:20], frame[20:TRANSFORM_SIZE], frame[TRANSFORM_SIZE:]
        if len(self._opened) < len(sealed) + TAG:
            self._opened = memoryview(bytearray(len(sealed) + TAG))
        cipher = Cipher(self._key, modes.GCM(bytes(bound[:_NONCE]), bytes(tag))).decryptor()
        cipher.authenticate_additional_data(bound)
        size = cipher.update_into(sealed, self._opened)
        try:
            cipher.finalize()
        except InvalidTag as error:
            raise Lost(_TAMPERED) from error
        return self._opened[:size]

    def prove(self, message: memoryview, number: int) -> None:
        """Nothing is left to prove."""


class Signed:
    """A signature over header and payload, which go out as they are."""

    flags = SIGNED

    def __init__(self, sign: "Signature") -> None:
        """`sign` is how the server and we sign."""
        self._sign = sign

    def wrap(self, header: bytes, payload: memoryview, message: int) -> Sequence[bytes | memoryview]:
        """Put the signature into the header."""
        signature = self._sign([header, payload], message, 0)
        return [header[: SIGNATURE.start], signature, header[SIGNATURE.stop :], payload]

    def unwrap(self, frame: memoryview) -> memoryview | None:
        """The message is the frame."""
        return frame if bytes(frame[:4]) == PLAIN else None

    def prove(self, message: memoryview, number: int) -> None:
        """Compare the signature. Only "pending" may come without one (MS-SMB2 3.2.5.1.3)."""
        answer = head(message)
        if answer.status == Status.PENDING:
            return
        signature = bytes(message[SIGNATURE])
        message[SIGNATURE] = bytes(TAG)
        expected = self._sign([message], number, 1)
        if not answer.flags & SIGNED or not hmac.compare_digest(signature, expected):
            raise Lost(_TAMPERED)


class Signature(Protocol):
    """Signs the parts of message number `message`; `answer` is 1 for those that come from the server."""

    def __call__(self, parts: Sequence[bytes | memoryview], message: int, answer: int, /) -> bytes:
        """The 16 bytes of the signature."""


def gmac(key: bytes) -> Signature:
    """AES-GMAC (MS-SMB2 3.1.4.1): the number and direction of the message are the nonce."""
    aes = algorithms.AES(key)

    def sign(parts: Sequence[bytes | memoryview], message: int, answer: int) -> bytes:
        nonce = message.to_bytes(8, "little") + answer.to_bytes(4, "little")
        cipher = Cipher(aes, modes.GCM(nonce)).encryptor()
        for part in parts:
            cipher.authenticate_additional_data(part)
        cipher.finalize()
        return cipher.tag

    return sign


def cmac(key: bytes) -> Signature:
    """AES-CMAC, with servers older than SMB 3.1.1 and its GMAC."""
    aes = algorithms.AES(key)

    def sign(parts: Sequence[bytes | memoryview], message: int, answer: int) -> bytes:
        del message, answer
        mac = CMAC(aes)
        for part in parts:
            mac.update(part)  # type: ignore[arg-type] # it takes any buffer, and says bytes
        return mac.finalize()

    return sign
