"""The kernel's own NFS server, with exports in memory, on an address of its own that can be cut off."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADDRESS = "127.0.0.2"
# For a mount that is to give up within seconds; the version itself may add some.
QUICK = "timeo=10,retrans=1"
EXPORTS = Path("/mnt/exports")
_OPTIONS = "rw,sync,no_root_squash,no_subtree_check"


class Shell:
    """One shell for all commands, started before the first file on NFS is open.

    A process that starts another while such a file is unflushed and its server silent waits for that server: the new
    process closes what it inherits, and closing flushes (linux: nfs_file_flush).
    """

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )

    def __call__(self, *command: str | Path) -> str:
        """Run a command that must succeed, and return what it printed."""
        line = shlex.join(map(str, command))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line} </dev/null; printf '\\n%s\\n' \"end $?\"\n")
        said: list[str] = []
        for answer in self._process.stdout:
            if answer.startswith("end "):
                assert answer == "end 0\n", f"{line}: {''.join(said)}{answer}"
                return "".join(said)
            said.append(answer)
        raise AssertionError(f"the shell is gone: {line}")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


class Server:
    """Started once in a kernel; it goes with the kernel."""

    def __init__(self) -> None:
        """Bring up the services of both versions."""
        self.shell = Shell()
        self._exported = 0
        state = Path("/var/lib/nfs")
        for name in ("sm", "sm.bak", "v4recovery", "rpc_pipefs"):
            (state / name).mkdir()
        for name in ("etab", "rmtab", "state"):
            (state / name).touch()
        for module in ("nfsd", "nfs", "lockd", "loop", "quota_v2"):
            self.shell(Path("/proc/sys/kernel/modprobe").read_text().strip(), module)
        self.shell("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        self.shell("mount", "-t", "rpc_pipefs", "rpc_pipefs", state / "rpc_pipefs")
        Path("/run/rpcbind").mkdir()
        self.shell("rpcbind", "-w")
        self.shell("rpc.statd", "--no-notify")
        self.shell("rpc.mountd", "--manage-gids")
        # After a start, clients may claim their files and locks for so long, and nobody may open new ones; these are
        # the least that nfsd and lockd take.
        for name, seconds in (("nfsv4leasetime", "10"), ("nfsv4gracetime", "10")):
            (Path("/proc/fs/nfsd") / name).write_text(seconds)
        for name, seconds in (("nlm_timeout", "3"), ("nlm_grace_period", "3")):
            (Path("/proc/sys/fs/nfs") / name).write_text(seconds)
        self.start()

    def close(self) -> None:
        """Let go of the shell; the server goes with its kernel."""
        self.shell.close()

    def start(self, *, graceful: bool = False) -> None:
        """Serve; clients of an earlier time may claim what they had open only if this start is a graceful one."""
        self.shell("rpc.nfsd", "-V", "3", "4")
        if not graceful:
            # In a network namespace that is not the machine's first, nfsd refuses, and waits its ten seconds.
            with suppress(OSError):
                Path("/proc/fs/nfsd/v4_end_grace").write_text("Y")

    def stop(self) -> None:
        """End it; who writes meanwhile is refused the connection."""
        self.shell("rpc.nfsd", "0")

    @contextmanager
    def exported(self, options: str = "size=256m") -> Iterator[Path]:
        """Make a file system in memory and export it; give where it lies, which is what clients call it."""
        self._exported += 1
        folder = EXPORTS / str(self._exported)
        folder.mkdir(parents=True)
        self.shell("mount", "-t", "tmpfs", "-o", options, "export", folder)
        self.grant(folder)
        yield folder
        self.revoke(folder)
        # The server keeps files open for a moment; the memory goes when it closes them.
        self.shell("umount", "-l", folder)

    def grant(self, folder: Path, options: str = _OPTIONS, number: int = 0) -> None:
        """Let this machine mount the folder; `number` tells it from other exports, where its name is none."""
        self.shell("exportfs", "-o", f"{options},fsid={number or folder.name}", f"127.0.0.0/8:{folder}")

    def revoke(self, folder: Path) -> None:
        """Export the folder no more, and forget every handle."""
        self.shell("exportfs", "-u", f"127.0.0.0/8:{folder}")
        self.shell("exportfs", "-f")

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Drop what is sent to the server, as when its cable is out."""
        self.cut()
        try:
            yield
        finally:
            self.mend()

    def cut(self, address: str = ADDRESS) -> None:
        """Begin to drop what is sent to the server, at one of its addresses."""
        self.shell("iptables-legacy", "-I", "INPUT", "-d", address, "-j", "DROP")

    def mend(self, address: str = ADDRESS) -> None:
        """Let it through again."""
        self.shell("iptables-legacy", "-D", "INPUT", "-d", address, "-j", "DROP")

    def heal(self) -> None:
        """Undo what a test that failed has not come to undo."""
        self.shell("iptables-legacy", "-F", "INPUT")
        if Path("/proc/fs/nfsd/threads").read_text().strip() == "0":
            self.start()
