"""`vmbackup simulate`: a simulated pool that stays, for trying things out without a XenServer."""

import ipaddress
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.signals import WATCHED
from vmbackup.errors import ConfigError
from vmbackup.simulator import serve


def simulate(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where its disks and records are kept.")],
    listen: Annotated[str, typer.Option("--listen", metavar="ADDRESS:PORT", help="On loopback.")] = "127.0.0.1:8443",
) -> int:
    """Run a simulated pool until it is interrupted; its state stays in DIR, a demo pool at first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        if not ipaddress.ip_address(listen.rpartition(":")[0]).is_loopback:
            raise ConfigError(f"{listen}: a simulated pool listens on loopback only, since its password is known")
        simulator = serve(listen, data.absolute())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the simulated pool cannot listen on {listen}: {error}") from error
    try:
        sys.stdout.write(
            f"A simulated pool listens on {simulator.url}, user {simulator.username}, password {simulator.password}\n"
            f"Its certificate: sha256:{simulator.fingerprint.replace(':', '').lower()}\n"
        )
        sys.stdout.flush()
        number = signal.sigwait(WATCHED)
    finally:
        simulator.stop()
    return 128 + number
