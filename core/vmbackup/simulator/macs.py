"""The MAC addresses of virtual interfaces: which are valid, and which follow from a VM's seed (xapi_vif_helpers.ml)."""

import hashlib
import re
import uuid as uuids
from collections.abc import Mapping

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
SEED = "mac_seed"  # the key in a VM's other_config


def is_valid(mac: str) -> bool:
    """Say whether a text is a MAC address."""
    return _MAC.fullmatch(mac) is not None


def seeded(other_config: Mapping[str, str]) -> dict[str, str]:
    """Give a VM's `other_config` with a new seed."""
    return {**other_config, SEED: str(uuids.uuid4())}


def generate(other_config: Mapping[str, str], device: str) -> str:
    """Make the address of the interface at a position (`"0"`…), always the same for one seed; without a seed a new one.

    It is a locally administered unicast address.
    """
    digest = other_config.get(SEED, str(uuids.uuid4())).encode()
    for _ in range(2 * int(device) + 1):
        digest = _md5(digest)
    again = _md5(digest)
    octets = ((digest[0] | 2) & 0xFE, *digest[1:4], again[1], again[2])
    return ":".join(f"{octet:02x}" for octet in octets)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
