"""The examples of docs/hooks.md are run as they stand, with the addresses of a test put in.

What they do over there is done here: `ssh` and `rsync` are small programs that do so, and whoever they meet notes it.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.simulator import BodyHook, CallHook, DiskSpec

DOCS = Path(__file__).parents[2] / "docs" / "hooks.md"
TEXT = DOCS.read_text()
SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
[ "$1" = backup@db01.example.edu ] && exec sh -c "$2"
"""
RSYNC = """#!/bin/sh
[ "$1 $2" = "-a --mkpath" ] || exit 1
there="FAR/${4#backup@far.example.edu:/srv/vmbackup/}"
mkdir -p "$there" && cp -a "$3." "$there"
"""
NOTES = '#!/bin/sh\necho "$(basename "$0") $*" >> NOTED\n'


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(kind: str, title: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", section(title), re.DOTALL)


@pytest.fixture
def programs(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found before all others."""
    folder = world.folder / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def install(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def note(world: World, word: str) -> None:
    with (world.folder / "noted").open("a") as file:
        file.write(f"{word}\n")


def test_the_first_example(world: World, programs: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT.split("\n## ")[0], re.DOTALL)
    install(programs, "note", NOTES.replace("NOTED", str(world.folder / "noted")))
    world.configure(job("web*") + example.replace("/usr/local/bin/", ""))
    assert world.run().all_warnings == ()
    assert (world.folder / "noted").read_text() == "note web 01 good\n"


def test_a_database_stands_still_while_it_is_snapshotted(world: World, programs: Path) -> None:
    title = "A database that stands still while it is snapshotted"
    world.pool.add_vm("db01", [DiskSpec(MIB, seed=2), DiskSpec(MIB, seed=3)])
    install(programs, "ssh", SSH)
    for name, text in zip(("stand-still", "go-on"), blocks("sh", title), strict=True):
        assert f"`/usr/local/sbin/{name}`" in section(title)
        install(programs, name, text)
    install(programs, "sudo", f'#!/bin/sh\nexec "{programs}/${{1#/usr/local/sbin/}}"\n')
    for name in ("runuser", "systemd-run", "systemctl", "fsfreeze"):
        install(programs, name, NOTES.replace("NOTED", str(world.folder / "noted")))
    (example,) = blocks("toml", title)
    world.configure(job("*") + example)
    world.pool.faults.add(CallHook(method="VM.snapshot", nth=None, run=lambda: note(world, "snapshot")))
    world.pool.faults.add(BodyHook(after=0, nth=None, run=lambda: note(world, "export")))
    report = world.run()
    assert report.all_warnings == ()
    assert report.succeeded == 2
    noted = (world.folder / "noted").read_text().splitlines()
    first = noted.index("runuser -u postgres -- psql -qc CHECKPOINT")
    assert noted[first:][:7] == [
        "runuser -u postgres -- psql -qc CHECKPOINT",
        "systemd-run --quiet --unit=go-on --on-active=300 fsfreeze --unfreeze /var/lib/postgresql",
        "fsfreeze --freeze /var/lib/postgresql",
        "snapshot",
        "systemctl stop go-on.timer",
        "fsfreeze --unfreeze /var/lib/postgresql",
        "export",
    ]
    assert sum("--freeze" in line for line in noted) == 1, "the other VM is left alone"


def test_a_copy_somewhere_else(world: World, programs: Path) -> None:
    install(programs, "rsync", RSYNC.replace("FAR", str(world.folder / "far")))
    (example,) = blocks("toml", "A copy somewhere else")
    world.configure(job("web*") + example.replace('"nas"', '"disk"'))
    report = world.run()
    assert report.all_warnings == ()
    backup = report.results[0].outcomes[0].backup
    assert backup is not None
    here, there = (
        {path.name: path.read_bytes() for path in (root / backup.folder).iterdir() if path.is_file()}
        for root in (world.target, world.folder / "far")
    )
    assert here == there
    assert "image.xva" in there


@contextmanager
def ntfy() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A server that notes what is sent to it: path, title, text."""
    sent: list[tuple[str, str, str]] = []

    class Note(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent.append((self.path, self.headers["Title"], text))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Note) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


def test_a_message_by_ntfy(world: World) -> None:
    (example,) = blocks("toml", "A message by ntfy")
    with ntfy() as (url, sent):
        world.configure(job("web*") + example.replace("https://ntfy.example.edu", url))
        assert world.run().all_warnings == ()
    assert sent == [("/backups", "vmbackup test: good", "1 good, 0 failed, 0 warnings")]


def test_every_example_is_run() -> None:
    assert TEXT.count("```toml") == 4
    assert TEXT.count("```sh") == 2
