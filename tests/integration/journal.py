"""Runs a command whose standard output is the journal's, and prints the entries that arrive; see test_live.py.

In a mount namespace of its own it listens where systemd's journal would.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.core.cli.test_journald import fields

place = Path("/run/systemd/journal")
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
place.mkdir(parents=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal, tempfile.TemporaryFile() as out:
    journal.bind(str(place / "socket"))
    found = os.fstat(out.fileno())
    env = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    code = subprocess.run(sys.argv[1:], env=env, stdout=out, check=False).returncode
    journal.settimeout(0)
    entries = []
    try:
        while True:
            entries.append(fields(journal.recv(1 << 20)))
    except BlockingIOError:
        sys.stdout.write(json.dumps({"code": code, "entries": entries}))
