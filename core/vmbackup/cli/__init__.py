"""The command line: one module a command, put together here; every failure becomes one message and its exit code."""

import sys
import traceback
from typing import Annotated

import typer

from vmbackup.cli import (
    adopt,
    check,
    compress,
    config,
    demo,
    extract,
    listing,
    mirror,
    nau,
    notify,
    plugins,
    preview,
    rehearse,
    restore,
    run,
    simulate,
    site,
    status,
    target,
    trust,
    verify,
    watch,
)
from vmbackup.cli.ending import Commands, end
from vmbackup.cli.output import say_error
from vmbackup.errors import Interrupted, VmbackupError
from vmbackup.version import __version__


def _exit(code: int, **_options: object) -> None:
    """Exit with what a command has returned."""
    raise typer.Exit(code)


app = typer.Typer(
    name="vmbackup",
    cls=Commands,
    result_callback=_exit,
    help="Backups of XenServer and XCP-ng virtual machines: plain files, proven good while they are written.",
    no_args_is_help=True,
    # Pretty tracebacks show local variables, and some of those are secrets.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("watch")(watch.watch)
app.command("preview")(preview.preview)
app.command("list")(listing.list_backups)
app.command("show")(listing.show)
app.command("status")(status.status)
app.command("verify")(verify.verify_backups)
app.command("adopt")(adopt.adopt)
app.command("check")(check.check)
app.command("compress")(compress.compress_backups)
app.command("mirror")(mirror.mirror_backups)
app.command("extract")(extract.extract_disk)
app.command("restore")(restore.restore_backup)
app.command("rehearse")(rehearse.rehearse)
app.add_typer(plugins.app, name="plugins")
app.command("site")(site.write_site)
app.command("nau")(nau.nau)
app.command("trust")(trust.trust)
app.command("simulate")(simulate.simulate)
app.command("demo")(demo.demo)
app.add_typer(target.app, name="target")
app.add_typer(notify.app, name="notify")
app.add_typer(config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vmbackup {__version__}")
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Back up, verify and restore virtual machines."""


def main() -> None:
    """Run the command line and exit with the documented code."""
    end(_code())


def _code() -> int:
    try:
        app()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except VmbackupError as error:
        say_error(error)
        return error.exit_code
    except Interrupted as stop:
        return 128 + stop.signal_number
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        sys.stderr.close()
        return 1
    except Exception:  # noqa: BLE001 - the one place where a fault of ours becomes exit code 1
        traceback.print_exc()
        sys.stderr.write("vmbackup: this is a bug in vmbackup; please report it with the lines above.\n")
        return 1
    return 0
