"""Runs a command as root under a kernel that has NFS, client and server.

That is this machine's own kernel where it has them and we are root, in namespaces of its own; else User-Mode Linux, a
whole Linux that is one ordinary process of an ordinary user. Either way the command sees the machine's files, may write
below /run, /tmp, /mnt and the folder `shared` alone, and has a network with nothing but its own loopback.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
_SCRIPT = Path(__file__).with_name("room.sh")
_REGISTERS = Path(__file__).with_name("wide_registers.c")
# What User-Mode Linux calls memory is a file: where it is not in memory, it is written to a disk now and then.
_MEMORY_PLACE = Path("/dev/shm")
NEEDED: Mapping[str, str] = {
    "mount.nfs": "nfs-common",
    "rpc.nfsd": "nfs-kernel-server",
    "rpcbind": "rpcbind",
    "modprobe": "kmod",
    "ip": "iproute2",
    "iptables-legacy": "iptables",
    "mke2fs": "e2fsprogs",
    "setquota": "quota",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a command: its exit code, what it printed, and what the kernel had to say."""

    status: int
    output: str
    console: str


def has_nfs() -> bool:
    """Whether this machine's own kernel will do: we are root, and it has NFS or can load it."""
    if os.geteuid() != 0:
        return False
    for module in ("nfs", "nfsd"):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["modprobe", module], check=False, capture_output=True)
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text(encoding="ascii").splitlines()}
    return {"nfs", "nfs4", "nfsd"} <= known


def missing(*, own_kernel: bool) -> list[str]:
    """Return the Debian packages that must be installed first."""
    needed = {**NEEDED, **({} if own_kernel else {"linux.uml": "user-mode-linux", "cc": "gcc libc6-dev"})}
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return sorted({package for program, package in needed.items() if not shutil.which(program, path=path)})


def run(command: Sequence[str], shared: Path, seconds: float, memory_mib: int = 1024) -> Ended:
    """Run `command` in the project's folder, and end all of it after `seconds`; `memory_mib` is for User-Mode Linux."""
    own_kernel = has_nfs()
    packages = missing(own_kernel=own_kernel)
    assert not packages, f"to run the tests of NFS: apt-get install --no-install-recommends {' '.join(packages)}"
    (shared / "command").write_text(f"exec {shlex.join(command)}\n")
    words = [f"ROOM_KERNEL={'machine' if own_kernel else 'uml'}", f"ROOM_PROJECT={PROJECT}", f"ROOM_SHARED={shared}"]
    with (shared / "console").open("wb") as console:
        process = subprocess.Popen(
            _in_namespaces(words) if own_kernel else _in_user_mode_linux(words, shared, memory_mib),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            env={**os.environ, **({} if own_kernel else _environment(shared, memory_mib))},
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    status, output = shared / "status", shared / "output"
    return Ended(
        status=int(status.read_text()) if status.exists() else 124,
        output=output.read_text(errors="replace") if output.exists() else "",
        console=(shared / "console").read_text(errors="replace"),
    )


def _in_namespaces(words: Sequence[str]) -> list[str]:
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child"]
    return ["unshare", *namespaces, "env", *words, "sh", str(_SCRIPT)]


def _in_user_mode_linux(words: Sequence[str], shared: Path, memory_mib: int) -> list[str]:
    console = ["con=null", "con0=null,fd:1", "ssl=null"]
    root = ["rootfstype=hostfs", "rootflags=/", "ro", "quiet", "init=/bin/sh"]
    here = ["umid=room", f"uml_dir={shared}"]
    return ["linux.uml", f"mem={memory_mib}M", *here, *root, *console, *words, "--", str(_SCRIPT)]


def _environment(shared: Path, memory_mib: int) -> dict[str, str]:
    library = shared / "wide_registers.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_REGISTERS), "-ldl"], check=True)
    return {"TMPDIR": str(_memory(shared, memory_mib)), "LD_PRELOAD": str(library)}


def _memory(shared: Path, memory_mib: int) -> Path:
    with contextlib.suppress(OSError):
        found = os.statvfs(_MEMORY_PLACE)
        if found.f_bavail * found.f_frsize >= memory_mib << 20:
            return _MEMORY_PLACE
    return shared
