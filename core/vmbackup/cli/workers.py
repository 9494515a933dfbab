"""Starting the worker that compresses what a run has stored; the run does not wait for it."""

import os
import subprocess
import sys

from vmbackup.results import Report
from vmbackup.site import Site


def start_workers(site: Site, job: str, report: Report) -> None:
    """Start `vmbackup compress --nice` on each target that has new backups, if the job asks for that.

    A worker is a process of its own that outlives this one. What it says goes to a file in the state folder.
    """
    compress = site.config.jobs[job].compress
    if compress is None or not compress.worker:
        return
    state = site.state()
    fresh = {outcome.target for result in report.results for outcome in result.outcomes if outcome.backup}
    for target in sorted(fresh):
        command = [sys.executable, "-m", "vmbackup", "compress", target, "--nice"]
        command += ["--config", os.fspath(site.path), "--state", os.fspath(state.folder)]
        path = state.folder / f"compress-{target}.log"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as log:
            subprocess.Popen(  # noqa: S603 - our own command, given as words
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
