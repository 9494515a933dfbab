"""`nfs` against cp and fsync, over the kernel's own client and server.

Where this machine's kernel has no NFS, both run in User-Mode Linux, which makes every system call slow and the start of
a program very slow: the figures are for comparing with each other only. The exports lie in memory.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contests import MIB, Contest, Result, Source, Taken, fight
from tests.kernel.inside.server import ADDRESS, Server
from tests.kernel.room import has_nfs, run

from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs

KEY = "image.xva"
# The file, what the server keeps of it and what the client caches must fit into the memory of the kernel.
SIZE = 256 * MIB
SECONDS = 900


def nfs(rounds: int) -> list[Result]:
    """Return the results of the contests, which are held in a kernel that has NFS."""
    with tempfile.TemporaryDirectory() as shared:
        where = "" if has_nfs() else ", in User-Mode Linux"
        out = Path(shared, "results.json")
        command = [sys.executable, "-m", "benchmarks.nfs_contests", str(rounds), where, str(out)]
        ended = run(command, Path(shared), SECONDS, memory_mib=2048)
        if ended.status:
            sys.exit(f"{ended.output}\n{ended.console}")
        return [_result(*fields) for fields in json.loads(out.read_text())]


def _result(about: tuple[str, str, float, int], ours: list[float], theirs: list[float], ratio: float) -> Result:
    return Result(Contest(*about, _nothing, _nothing, _nothing), Taken(*ours), Taken(*theirs), ratio)


def _nothing() -> None:
    """Stand for what was done in the other kernel."""


@contextmanager
def _contest(server: Server, version: str, where: str, source: Source) -> Iterator[Contest]:
    with server.exported("size=600m") as export:
        settings = NfsSettings(server=ADDRESS, export=str(export), options=f"nfsvers={version}")
        theirs = Path("/mnt/theirs")
        theirs.mkdir(exist_ok=True)
        server.shell("mount.nfs", f"{ADDRESS}:{export}", theirs, "-o", f"nfsvers={version},nosharecache")
        with Nfs("nas", settings) as target:

            def clean() -> None:
                target.delete(KEY)
                (theirs / "copy").unlink(missing_ok=True)

            yield Contest(
                name=f"nfs {version}, store{where}",
                tool="cp; sync FILE",
                goal=0.9,
                size=source.size,
                ours=lambda: target.store(KEY, source.pieces()),
                theirs=lambda: _cp(source.path, theirs / "copy"),
                clean=clean,
            )
        server.shell("umount", theirs)


def _cp(source: Path, copy: Path) -> None:
    subprocess.run(["sh", "-c", 'cp "$0" "$1" && sync "$1"', source, copy], check=True)


def main() -> None:
    """Hold the contests; this is called in the kernel that has NFS."""
    rounds, where, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    path = Path("/tmp/source")
    path.write_bytes(os.urandom(SIZE))
    server, results = Server(), []
    for version in ("3", "4.2"):
        with _contest(server, version, where, Source(path, SIZE, path.parent)) as contest:
            results.append(fight(contest, rounds))
    server.close()
    fields = [
        (
            (result.contest.name, result.contest.tool, result.contest.goal, result.contest.size),
            (result.ours.seconds, result.ours.processor),
            (result.theirs.seconds, result.theirs.processor),
            result.ratio,
        )
        for result in results
    ]
    out.write_text(json.dumps(fields))


if __name__ == "__main__":
    main()
