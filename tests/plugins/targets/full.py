"""A process whose disk or patience ends at 2 MiB; it writes what came of storing 3 MiB. Run by test_trouble.py.

The first argument says how: `tmpfs` mounts one of that size (in a mount namespace that ends with this process),
`read-only` one that cannot be written, `limit` limits the size of a file.
"""

import errno
import json
import resource
import subprocess
import sys
from pathlib import Path

from vmbackup import TargetError
from vmbackup_targets.local import Local, LocalSettings


def mount(*options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(ROOT)], check=True)


HOW, ROOT = sys.argv[1], Path(sys.argv[2])
if HOW == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
else:
    mount("size=2m", *(["ro"] if HOW == "read-only" else []))

with Local("disk", LocalSettings(path=ROOT)) as target:
    outcome: dict[str, object] = {"free": target.free()}
    try:
        target.store("pool/vm/image.xva", [bytes(1 << 20)] * 3)
    except TargetError as error:
        cause = error.__cause__
        outcome["errno"] = errno.errorcode[cause.errno or 0] if isinstance(cause, OSError) else None
        outcome["message"], outcome["advice"] = error.message, error.advice
    outcome["left"] = [str(path) for path in ROOT.rglob("*")]
    if HOW != "read-only":
        outcome["after"] = target.store("pool/vm/small", [bytes(1 << 20)]).size
sys.stdout.write(json.dumps(outcome))
