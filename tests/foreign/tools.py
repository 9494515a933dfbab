"""Foreign programs that the tests need; a missing one is a failure that says what to type."""

import os
import shutil
import subprocess
from pathlib import Path

_PACKAGES = {"node": "nodejs", "npm": "npm", "qemu-img": "qemu-utils", "bsdtar": "libarchive-tools", "tar": "tar"}


def run(*command: str | Path, cwd: Path | None = None, **environ: str) -> str:
    """Run a foreign program and give what it prints; what it says on stderr must be nothing."""
    name = str(command[0])
    assert shutil.which(name), f"{name} is missing: apt-get install {_PACKAGES[name]}"
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout
