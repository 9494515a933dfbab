"""A simulator that works on a pool and ends its own process by SIGKILL at the nth thing that it does to its files.

`python -m tests.core.simulator.suicide FOLDER NTH`; with 0 it lives and prints how many things it did.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from tests.core.simulator.client import Client

from vmbackup.simulator import Simulator

EVENTS = {"open", "os.link", "os.remove", "os.truncate", "os.rename"}
NULL = "OpaqueRef:NULL"


class Killer:
    """Counts what is done to files in a folder."""

    def __init__(self, folder: Path, nth: int) -> None:
        self.folder = str(folder)
        self.nth = nth
        self.seen = 0
        self.lock = threading.Lock()

    def look(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in EVENTS or not any(self.folder in str(argument) for argument in arguments[:2]):
            return
        with self.lock:
            self.seen += 1
            if self.seen == self.nth:
                if self.nth % 2:  # every other instant comes a moment later: while what is begun goes on
                    threading.Timer(0.0005, os.kill, (os.getpid(), signal.SIGKILL)).start()
                else:
                    os.kill(os.getpid(), signal.SIGKILL)


def work(xapi: Client) -> None:
    """Do each thing that makes or removes disks, with the VM that is there."""
    (vm,) = xapi("VM.get_by_name_label", "a")
    snap = xapi("VM.snapshot", vm, "first")
    point = xapi("VM.checkpoint", vm, "second")
    xapi("VM.revert", snap)
    clone = xapi("VM.clone", snap, "clone")
    copy = xapi("VM.copy", vm, "copy", NULL)
    xapi("VDI.resize", xapi.disks(copy)[0]["ref"], str(3 << 20))
    archive = xapi.export(copy)[0].body
    xapi.put("/import", archive, session_id=xapi.session)
    for one in (point, clone, copy):
        disks = [disk["ref"] for disk in xapi.disks(one)] + [xapi("VM.get_suspend_VDI", one)]
        if xapi("VM.get_power_state", one) != "Halted":
            xapi("VM.hard_shutdown", one)
        xapi("VM.destroy", one)
        for disk in disks:
            if disk in xapi("VDI.get_all"):
                xapi("VDI.destroy", disk)


def main() -> None:
    folder, nth = Path(sys.argv[1]), int(sys.argv[2])
    killer = Killer(folder, nth)
    sys.addaudithook(killer.look)
    with Simulator(folder, tls=False) as sim:
        work(Client(sim))
    sys.stdout.write(f"{killer.seen}\n")


if __name__ == "__main__":
    main()
