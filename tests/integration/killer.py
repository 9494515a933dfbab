"""A plugin that ends its own process by SIGKILL at the nth thing that it does within a phase of a run.

What a process does is what Python's audit events tell: files opened, linked, removed, folders made, requests sent. With
no number it counts them instead, so that a test can choose its instants.
"""

import atexit
import os
import signal
import sys
import threading
from pathlib import Path

EVENTS = {"open", "os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "http.client.send"}
PHASE = os.environ["KILLER_PHASE"]
NTH = int(os.environ.get("KILLER_NTH", "0"))
BEGINS = {
    "snapshot": ("http.client.send", "VM.add_to_blocked_operations"),
    "publish": ("os.link", "image.xva"),
    "delete": ("os.link", "trash.json"),
    "copy": ("http.client.send", "Async.VM.copy"),
    "restore": ("http.client.send", "task.create"),
    "restore of disks": ("http.client.send", "VDI.create"),
}
# A phase without an end goes on to that of the process.
ENDS = {
    "snapshot": ("http.client.send", "GET /export?"),
    "publish": ("os.remove", "manifest.json"),
    "delete": ("os.remove", "'trash.json'"),
}

seen = 0
within = False
lock = threading.Lock()


def look(event: str, arguments: tuple[object, ...]) -> None:
    """Count this event if the phase is on, and end the process at the chosen one."""
    global seen, within  # noqa: PLW0603 - an audit hook has nowhere else to keep its state
    if event not in EVENTS:
        return
    text = str(arguments)
    with lock:
        if not within:
            begin, word = BEGINS[PHASE]
            within = seen == 0 and event == begin and word in text
        if not within:
            return
        seen += 1
        if seen == NTH:
            # Every other instant comes a moment later: after the request has gone out, before its answer is read.
            if event == "http.client.send" and NTH % 2:
                threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        end, word = ENDS.get(PHASE, ("", ""))
        if event == end and word in text:
            within = False


if not NTH:
    atexit.register(lambda: Path(os.environ["KILLER_COUNT"]).write_text(str(seen), encoding="ascii"))
sys.addaudithook(look)
