"""`vmbackup demo`: the whole tour in a minute, without a XenServer."""

import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.options import JsonOption
from vmbackup.cli.output import console
from vmbackup.errors import ConfigError


def demo(
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Keep everything in this empty folder.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Start a simulated pool, back up its VMs, verify, restore two of them, and compare every byte."""
    # To import the simulator takes 0.2 s, more than a third of the start of a command that has no use for it.
    from vmbackup.cli.tour import guide  # noqa: PLC0415 - see above
    from vmbackup.demo import Demo  # noqa: PLC0415 - see above
    from vmbackup.simulator import Simulator  # noqa: PLC0415 - see above

    with contextlib.ExitStack() as stack:
        if folder is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmbackup-demo-")))
        else:
            root = _empty(folder.absolute())
        simulator = stack.enter_context(Simulator(root / "pool"))
        ok = guide(Demo(root, simulator), as_json=as_json)
        if folder is not None and not as_json:
            console().print(f"Look around: vmbackup list --config {root}/vmbackup.toml", soft_wrap=True)
    return 0 if ok else 1


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty", advice="The demo wants a folder of its own.")
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error
    return folder
