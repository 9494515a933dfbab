"""`vmbackup simulate`: a simulated pool that stays, for trying things out without a XenServer."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.output import console
from vmbackup.cli.signals import WATCHED
from vmbackup.errors import ConfigError
from vmbackup.simulator import serve


def simulate(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where its disks and records are kept.")],
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="On loopback.")] = "127.0.0.1:8443",
) -> int:
    """Run a simulated pool until it is interrupted; its state stays in DIR, a demo pool at first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        simulator = serve(listen, data.absolute())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the simulated pool cannot listen on {listen}: {error}") from error
    with simulator:
        out = console()
        login = f"user {simulator.username}, password {simulator.password}"
        out.print(f"A simulated pool listens on {simulator.url}, {login}", soft_wrap=True)
        out.print(f"Its certificate: sha256:{simulator.fingerprint.replace(':', '').lower()}", soft_wrap=True)
        number = signal.sigwait(WATCHED)
    return 128 + number
