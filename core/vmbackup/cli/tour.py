"""The demo's tour as it is shown: back up, verify, restore, compare."""

from contextlib import nullcontext

from rich.console import Console

from vmbackup.cli.logs import Wish
from vmbackup.cli.output import console, name, print_json, size, table
from vmbackup.cli.run import summary
from vmbackup.cli.watchers import for_people
from vmbackup.demo import Compared, Demo
from vmbackup.live import Board
from vmbackup.watch import Nobody, Several


def guide(tour: Demo, *, as_json: bool) -> bool:
    """Lead through the tour; True if every backup was proven and every disk came back the same."""
    out = console()
    out.quiet = as_json
    out.print("[bold]1. Back up[/] four VMs of a simulated pool; their guests go on writing", soft_wrap=True)
    board = Board()
    with nullcontext(Nobody()) if as_json else for_people(board, Wish()) as watcher:
        report = tour.run(Several((board, watcher)))
    summary(report, out)
    out.print("\n[bold]2. Verify[/] every backup by reading it back", soft_wrap=True)
    verdicts = tour.verify(lambda backup: out.print(f"reading {name(backup.address)}", soft_wrap=True))
    out.print("\n[bold]3. Restore[/] a whole VM and an OS disk into the pool", soft_wrap=True)
    pairs = list(tour.restore(lambda backup: out.print(f"restoring {name(backup.address)}", soft_wrap=True)))
    out.print("\n[bold]4. Compare[/] each restored disk with its source", soft_wrap=True)
    compared = [disk for backup, restored in pairs for disk in tour.compare(backup, restored)]
    _show(out, compared)
    good = sum(verdict.good for verdict in verdicts)
    ok = not report.failed and good == len(verdicts) and bool(compared) and all(disk.same for disk in compared)
    if as_json:
        print_json(
            {
                "ok": ok,
                "backups": [
                    {"address": verdict.backup.address, "size": verdict.backup.size, "good": verdict.good}
                    for verdict in verdicts
                ],
                "restored": [
                    {"vm": disk.vm, "disk": disk.disk, "virtual_size": disk.virtual_size, "same": disk.same}
                    for disk in compared
                ],
            }
        )
    word = "[green]All is well[/]" if ok else "[red]Something is wrong[/]"
    out.print(f"\n{word}: {good} of {len(verdicts)} backups proven, {len(pairs)} VMs restored", soft_wrap=True)
    return ok


def _show(out: Console, compared: list[Compared]) -> None:
    shown = table("restored VM", "disk", "size", "compared with its source", right=("disk", "size"))
    for disk in compared:
        word = "[green]every byte the same[/]" if disk.same else "[red]different[/]"
        shown.add_row(name(disk.vm), str(disk.disk), size(disk.virtual_size), word)
    out.print(shown)
