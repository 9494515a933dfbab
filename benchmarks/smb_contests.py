"""`smb` against smbclient, with Debian's smbd on loopback and a share in memory, so that no disk hides the difference.

`store` ends with a flush, `smbclient put` does not.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contests import Contest, Source
from tests.plugins.targets.smb.samba import PASSWORD, USER, Samba, running

from vmbackup_targets.smb.settings import SmbSettings
from vmbackup_targets.smb.target import Smb

KEY = "image.xva"
FETCHED = "fetched.xva"


@contextmanager
def smb_signed(source: Source) -> Iterator[list[Contest]]:
    """Signed with AES-GMAC, readable on the way."""
    with _contests(source, "signed", {"server smb encrypt": "if_required"}, "sign") as contests:
        yield contests


@contextmanager
def smb_encrypted(source: Source) -> Iterator[list[Contest]]:
    """Encrypted with AES-128-GCM."""
    with _contests(source, "encrypted", {"server smb encrypt": "required"}, "encrypt") as contests:
        yield contests


@contextmanager
def _contests(source: Source, mode: str, options: dict[str, str], protection: str) -> Iterator[list[Contest]]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        Path(memory).chmod(0o755)
        with running(Samba(Path(memory, "samba"), options)) as server:
            settings = SmbSettings.model_validate(
                {
                    "server": "127.0.0.1",
                    "port": server.port,
                    "share": "backups",
                    "username": USER,
                    "password": PASSWORD,
                    "encrypt": mode == "encrypted",
                }
            )
            with Smb("nas", settings) as target:
                target.store(FETCHED, source.pieces())

                def clean() -> None:
                    target.delete(KEY)
                    (server.share / "theirs").unlink(missing_ok=True)

                yield [
                    Contest(
                        name=f"smb, store, {mode}, share in memory",
                        tool="smbclient put",
                        goal=1.0,
                        size=source.size,
                        ours=lambda: target.store(KEY, source.pieces()),
                        theirs=lambda: _smbclient(server, protection, f"put {source.path} theirs"),
                        clean=clean,
                    ),
                    Contest(
                        name=f"smb, fetch, {mode}, share in memory",
                        tool="smbclient get",
                        goal=1.0,
                        size=source.size,
                        ours=lambda: _drain(target),
                        theirs=lambda: _smbclient(server, protection, f"get {FETCHED} /dev/null"),
                        clean=clean,
                    ),
                ]


def _drain(target: Smb) -> None:
    with Path("/dev/null").open("wb", buffering=0) as sink:
        sink.writelines(target.fetch(FETCHED))


def _smbclient(server: Samba, protection: str, command: str) -> None:
    words = ["smbclient", "//127.0.0.1/backups", "-p", str(server.port), "-U", f"{USER}%{PASSWORD}"]
    words += ["-m", "SMB3", f"--client-protection={protection}", "-c", command]
    subprocess.run(words, check=True, capture_output=True)
