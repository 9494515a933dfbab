"""MIT's KDC for a test: on a free port of loopback, with a realm of its own in a folder of its own."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.plugins.targets.smb.samba import PATIENCE, free_port

REALM = "VMBACKUP.TEST"


@dataclass
class Kdc:
    """The realm, with no principals yet."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.port = free_port()
        self.config.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n rdns = false\n"
            " dns_canonicalize_hostname = false\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n[domain_realm]\n localhost = {REALM}\n"
        )
        # Samba takes a ticket without a PAC, and not one with as little in it as MIT's KDC has to say.
        (self.folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {self.folder}/principal\n"
            f"  key_stash_file = {self.folder}/stash\n"
            f"  acl_file = {self.folder}/acl\n  disable_pac = true\n }}\n[logging]\n kdc = FILE:{self.folder}/kdc.log\n"
        )
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of no use to anybody")

    @property
    def config(self) -> Path:
        return self.folder / "krb5.conf"

    @property
    def keytab(self) -> Path:
        return self.folder / "keytab"

    def add_user(self, name: str, password: str) -> None:
        self._run("kadmin.local", "-q", f"addprinc -pw {password} {name}")

    def add_service(self, name: str) -> None:
        """Make a principal, and put its key into the keytab."""
        self._run("kadmin.local", "-q", f"addprinc -randkey {name}")
        self._run("kadmin.local", "-q", f"ktadd -k {self.keytab} {name}")

    def ticket(self, name: str, password: str, cache: Path) -> None:
        """Fetch a ticket as a person does."""
        self._run("kinit", "-c", f"FILE:{cache}", name, words=password)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        process = subprocess.Popen(
            ["krb5kdc", "-n"], env=self._environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + PATIENCE
            while not self._listens():
                assert process.poll() is None, (self.folder / "kdc.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield
        finally:
            process.kill()
            process.wait()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _run(self, *command: str, words: str = "") -> None:
        subprocess.run(command, input=words, text=True, check=True, capture_output=True, env=self._environ())

    def _environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "KRB5_CONFIG": str(self.config),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
        }
