"""`vmbackup simulate`: a simulated pool that stays, for trying things out without a XenServer."""

import ipaddress
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.signals import WATCHED
from vmbackup.errors import ConfigError


def simulate(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where its disks and records are kept.")],
    listen: Annotated[str, typer.Option("--listen", metavar="ADDRESS:PORT", help="On loopback.")] = "127.0.0.1:8443",
    faults: Annotated[Path | None, typer.Option("--faults", metavar="FILE", help="What goes wrong, in TOML.")] = None,
) -> int:
    """Run a simulated pool until it is interrupted; its state stays in DIR, a demo pool at first."""
    # To import the simulator takes 0.2 s, more than a third of the start of a command that has no use for it.
    from vmbackup.simulator import load_rules, serve  # noqa: PLC0415 - see above
    from vmbackup.simulator.control import Control  # noqa: PLC0415 - see above

    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        rules = load_rules(faults) if faults else []
    except (OSError, ValueError) as error:
        raise ConfigError(f"the faults cannot be read: {error}") from error
    try:
        if not ipaddress.ip_address(listen.rpartition(":")[0]).is_loopback:
            raise ConfigError(f"{listen}: a simulated pool listens on loopback only, since its password is known")
        simulator = serve(listen, data.absolute())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the simulated pool cannot listen on {listen}: {error}") from error
    for rule in rules:
        simulator.faults.add(rule)
    control = None
    try:
        control = Control(simulator, data.absolute())
        sys.stdout.write(
            f"A simulated pool listens on {simulator.url}, user {simulator.username}, password {simulator.password}\n"
            f"Its certificate: sha256:{simulator.fingerprint.replace(':', '').lower()}\n"
        )
        sys.stdout.flush()
        number = signal.sigwait(WATCHED)
    finally:
        if control is not None:
            control.close()
        simulator.stop()
    return 128 + number
