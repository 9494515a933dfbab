"""Waiting for a sign of life of a VM that has been started: its guest agent, a port that answers, or time itself."""

import re
import socket
import time
from collections.abc import Iterator

from vmbackup.errors import RestoreError
from vmbackup.life_sign import LifeSign
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import Record, mapping, text

PAUSE_SECONDS, LONGEST_PAUSE = 0.1, 2.0
CONNECT_SECONDS = 3.0
# What only an agent inside the guest can have written (xapi: xapi_guest_agent.ml).
_TOLD = ("PV_drivers_version", "os_version", "networks")


def await_life(session: Session, vm: str, sign: LifeSign, within: float) -> None:
    """Return when the VM has given the sign.

    Raises RestoreError if it halts first, or has not given it after `within` seconds.
    """
    started = time.monotonic()
    pause = PAUSE_SECONDS
    while True:
        record = session.record("VM", vm)
        if text(record, "power_state") != "Running":
            raise RestoreError(f"the guest does not stay up: the VM is {text(record, 'power_state').lower()}")
        passed = time.monotonic() - started
        if sign.seconds is not None and passed >= sign.seconds:
            return
        if sign.seconds is None and _lives(session, record, sign.port):
            return
        if passed > within and sign.seconds is None:
            what = "the guest agent said nothing" if sign.port is None else f"port {sign.port} did not answer"
            raise RestoreError(
                f"the VM was started, and {what} within {within:g} s",
                advice="Look whether its guest tools run; --wait and --within say what is waited for, and how long.",
            )
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _lives(session: Session, vm: Record, port: int | None) -> bool:
    metrics = _told(session, vm)
    if not any(mapping(metrics, field) for field in _TOLD):
        return False
    return port is None or any(_answers(address, port) for address in _addresses(metrics))


def _told(session: Session, vm: Record) -> Record:
    """Return what the guest has told; nothing yet where the record is not there."""
    return next((record for _, record in session.living("VM_guest_metrics", [text(vm, "guest_metrics")])), {})


def _addresses(metrics: Record) -> Iterator[str]:
    """Yield the addresses of the guest; those of a link alone lead nowhere from here."""
    for key, address in mapping(metrics, "networks").items():
        if re.fullmatch(r"[0-9]+/(ip|ipv[46]/[0-9]+)", key) and not address.lower().startswith("fe80:"):
            yield address


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False
