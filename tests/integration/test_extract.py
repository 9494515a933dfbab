"""`vmbackup extract`: one disk out of every kind of backup, held by qemu-img against the simulator's own disk."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, job, json_of
from tests.plugins.targets.disks import new_disk

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

ROOT = Path(__file__).parents[2]
QEMU = {"raw": "raw", "vhd": "vpc", "qcow2": "qcow2"}
# No multiple of a MiB; all zero; a multiple of a MiB and not of 2 MiB.
SIZES = (3 * MIB + 512 * 1024 + 512, 4 * MIB, 5 * MIB)
WHOLE = {
    "plain": "",
    "zstd": 'compress = { with = "zstd" }',
    "gzip": 'compress = { with = "gzip" }',
    "zstd by the host": 'compress = { with = "zstd", when = "host" }',
    "gzip by the host": 'compress = { with = "gzip", when = "host" }',
}
METHODS = """
[methods.vhd]
type = "vdi-export"
format = "vhd"

[methods.snapshot]
type = "vm-export"
halted = "snapshot"
"""


def holed(path: Path) -> Path:
    """The content of a disk of 5 MiB whose second half is a hole."""
    path.write_bytes(os.urandom(2 * MIB + 4096) + bytes(SIZES[2] - 2 * MIB - 4096))
    return path


def specs(folder: Path) -> list[DiskSpec]:
    return [
        DiskSpec(SIZES[0], seed=1, fill=0.6, name="root"),
        DiskSpec(SIZES[1], name="empty"),
        DiskSpec(SIZES[2], source=holed(folder / "holed"), name="holed"),
    ]


def qemu(*words: object) -> str:
    done = subprocess.run(["qemu-img", *map(str, words)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def disks_of(world: World) -> dict[int, Path]:
    """The simulator's files of the VM's disks, by position."""
    vbds = (vbd for vbd in world.pool.records("VBD").values() if vbd["type"] == "Disk")
    vdis = world.pool.records("VDI")
    snapshots = {ref for ref, vm in world.pool.records("VM").items() if vm["is_a_snapshot"]}
    return {
        int(vbd["userdevice"]): world.pool.disk_path(vdis[vbd["VDI"]]["uuid"])
        for vbd in vbds
        if vbd["VM"] not in snapshots
    }


def expect_same(made: Path, disk: Path, size: int) -> None:
    form = QEMU[made.suffix[1:]]
    assert json.loads(qemu("info", "--output=json", "-f", form, made))["virtual-size"] == size
    assert "identical" in qemu("compare", "-f", form, "-F", "raw", made, disk)
    if made.suffix == ".qcow2":
        assert "No errors" in qemu("check", made)
    if made.suffix == ".vhd":
        # The size that a XenServer host goes by stands in the footer.
        assert int.from_bytes(made.read_bytes()[-512:][48:56], "big") == size
    assert made.stat().st_mode & 0o777 == 0o600


def nothing_but(world: World, *names: str) -> bool:
    return {path.name for path in (world.folder / "out").iterdir()} == set(names)


def halted(tmp_path: Path, pool: Simulator, more: str = "") -> World:
    """A world with a backup of a VM that nobody writes to."""
    pool.add_vm("web 01", specs(tmp_path), power_state="Halted")
    world = World(tmp_path, pool)
    world.configure(job("web*", more=more) + METHODS)
    world.init_target()
    assert exit_code(world.run()) == 0
    (tmp_path / "out").mkdir()
    return world


@pytest.mark.parametrize("how", ["", "snapshot"], ids=["halted", "snapshot"])
@pytest.mark.parametrize("way", WHOLE)
def test_every_disk_of_a_whole_vm_in_every_format(tmp_path: Path, pool: Simulator, way: str, how: str) -> None:
    world = halted(tmp_path, pool, WHOLE[way] + (f'\nmethod = "{how}"' if how else ""))
    (backup,) = world.backups()
    image = backup.manifest.image
    assert image is not None
    for (position, disk), size in zip(sorted(disks_of(world).items()), SIZES, strict=True):
        for form in QEMU:
            out = tmp_path / "out" / f"{position}.{form}"
            done = world.cli("extract", "web 01@latest", str(out), "--disk", str(position), "--json")
            assert done.returncode == 0, done.stderr
            told = json_of(done)
            assert (told["size"], told["format"], told["stored"]) == (size, form, out.stat().st_blocks * 512)
            expect_same(out, disk, size)
    stored = [(tmp_path / "out" / f"{position}.raw").stat().st_blocks * 512 for position in range(3)]
    assert stored[1] == 0
    assert 2 * MIB <= stored[2] < 3 * MIB
    assert nothing_but(world, *(f"{position}.{form}" for position in range(3) for form in QEMU))


@pytest.mark.parametrize("method", ["vdi-export", "vhd"])
def test_the_disk_of_a_vdi_export_needs_no_name(tmp_path: Path, pool: Simulator, method: str) -> None:
    world = halted(tmp_path, pool, f'method = "{method}"')
    for form in QEMU:
        out = tmp_path / "out" / f"root.{form}"
        done = world.cli("extract", "web 01@latest", str(out))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("extracted xvda of disk:web 01@")
        assert done.stderr == "", "no bar where there is no terminal"
        expect_same(out, disks_of(world)[0], SIZES[0])


@pytest.fixture
def stored(tmp_path: Path, pool: Simulator) -> World:
    return halted(tmp_path, pool)


def test_what_was_compressed_later(tmp_path: Path, pool: Simulator) -> None:
    world = halted(tmp_path, pool, 'compress = { with = "zstd", when = "after" }')
    assert world.cli("compress", "disk").returncode == 0
    assert list(world.target.rglob("image.xva.zst"))
    out = tmp_path / "out" / "holed.qcow2"
    assert world.cli("extract", "web 01@latest", str(out), "--disk", "holed").returncode == 0
    expect_same(out, disks_of(world)[2], SIZES[2])


def test_a_disk_has_four_names_and_the_error_lists_them(stored: World) -> None:
    (backup,) = stored.backups()
    image = backup.manifest.image
    assert image is not None
    disk = image.disks[1]
    for number, wanted in enumerate((disk.device, str(disk.position), disk.original_uuid, disk.uuid, "empty")):
        out = stored.folder / "out" / f"{number}.raw"
        assert stored.cli("extract", "web 01@latest", str(out), "--disk", wanted).returncode == 0, wanted
        assert out.stat().st_size == SIZES[1]
    for arguments in ((), ("--disk", "xvdz")):
        done = stored.cli("extract", "web 01@latest", str(stored.folder / "out" / "x.raw"), *arguments)
        assert done.returncode == 2
        assert all(one.original_uuid in done.stderr and repr(one.name) in done.stderr for one in image.disks)
    assert nothing_but(stored, *(f"{number}.raw" for number in range(5)))


@pytest.mark.parametrize("form", QEMU)
def test_damage_in_another_disk_leaves_no_file(stored: World, form: str) -> None:
    (image,) = stored.target.rglob("image.xva")
    with image.open("r+b") as file:
        # Inside the last member with data, which is of the third disk.
        file.seek(-MIB, os.SEEK_END)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    out = stored.folder / "out" / f"root.{form}"
    done = stored.cli("extract", "web 01@latest", str(out), "--disk", "0")
    assert done.returncode == 13
    assert "is not whole, and nothing was extracted: " in done.stderr
    assert nothing_but(stored)
    out.write_text("older")
    assert stored.cli("extract", "web 01@latest", str(out), "--disk", "0", "--force").returncode == 13
    assert out.read_text() == "older"
    assert nothing_but(stored, out.name)


def test_what_is_there_stays_unless_forced_and_a_folder_always(stored: World) -> None:
    out = stored.folder / "out" / "root.raw"
    out.write_text("older")
    done = stored.cli("extract", "web 01@latest", str(out), "--disk", "0")
    assert (done.returncode, out.read_text()) == (2, "older")
    assert "--force" in done.stderr
    done = stored.cli("extract", "web 01@latest", str(out), "--disk", "0", "--force")
    assert done.returncode == 0, done.stderr
    expect_same(out, disks_of(stored)[0], SIZES[0])
    (stored.folder / "out" / "folder.raw").mkdir()
    (stored.folder / "out" / "link.raw").symlink_to("root.raw")
    for name in ("folder.raw", "link.raw"):
        done = stored.cli("extract", "web 01@latest", str(stored.folder / "out" / name), "--disk", "0", "--force")
        assert (done.returncode, "no ordinary file" in done.stderr) == (2, True)
    for name in ("root.img", "root", "nowhere/root.raw"):
        assert stored.cli("extract", "web 01@latest", str(stored.folder / "out" / name)).returncode == 2


def test_without_qemu_img_the_package_is_named_and_raw_needs_none(stored: World) -> None:
    env = {"PATH": str(Path(command()[0]).parent)}
    assert shutil.which("qemu-img", path=env["PATH"]) is None
    out = stored.folder / "out" / "root.vhd"
    done = stored.cli("extract", "web 01@latest", str(out), "--disk", "0", env=env)
    assert done.returncode == 2
    assert "qemu-utils" in done.stderr
    raw = out.with_suffix(".raw")
    assert stored.cli("extract", "web 01@latest", str(raw), "--disk", "0", env=env).returncode == 0


@pytest.mark.parametrize(("form", "mebibytes"), [("raw", 2), ("qcow2", 4), ("vhd", 4)])
def test_a_full_disk_says_so_and_keeps_nothing(stored: World, form: str, mebibytes: int) -> None:
    """The raw file has room beside a qcow2 or VHD in the making, but not both."""
    small = new_disk(stored.folder / "small", "5ca1ab1e-0000-4000-8000-00000000000b", mebibytes)
    small.attach()
    try:
        before = set(small.folder.iterdir())
        done = stored.cli("extract", "web 01@latest", str(small.folder / f"holed.{form}"), "--disk", "holed")
        assert done.returncode == 4, done.stderr
        assert "No space left on device" in done.stderr
        assert "room" in done.stderr
        assert set(small.folder.iterdir()) == before
    finally:
        small.detach()


@pytest.fixture
def shaky(stored: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The same backup on a target that cannot read or crawls when it is told to."""
    facts = tmp_path / "plugin" / "vmbackup_shaky-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: vmbackup-shaky\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[vmbackup]\nshaky = vmbackup_shaky\n")
    shutil.copy(Path(__file__).with_name("shaky.py"), tmp_path / "plugin" / "vmbackup_shaky.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugin"))
    stored.configure(job("web*"), head=stored.head.replace('type = "local"', 'type = "shaky"'))
    yield stored
    for word in ("cannot-read", "crawls"):
        tmp_path.joinpath(f"target.{word}").unlink(missing_ok=True)


def test_what_cannot_be_read_is_not_called_wrong(shaky: World) -> None:
    (shaky.folder / "target.cannot-read").touch()
    done = shaky.cli("extract", "web 01@latest", str(shaky.folder / "out" / "root.raw"), "--disk", "0")
    assert done.returncode == 15
    assert "could not be read, and nothing was extracted" in done.stderr
    assert nothing_but(shaky)
    shaky.target.rename(shaky.folder / "elsewhere")
    away = shaky.cli("extract", "web 01@latest", str(shaky.folder / "out" / "root.raw"), "--target", "disk")
    assert away.returncode == 15
    assert nothing_but(shaky)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("form", QEMU)
def test_a_signal_leaves_nothing(shaky: World, number: signal.Signals, code: int, form: str) -> None:
    (shaky.folder / "target.crawls").touch()
    out = shaky.folder / "out"
    words = command("extract", "web 01@latest", str(out / f"root.{form}"), "--disk", "0")
    process = subprocess.Popen(words, env=shaky.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not any(path.stat().st_blocks for path in out.iterdir()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert nothing_but(shaky)


def test_a_terminal_sees_how_far_it_is(shaky: World) -> None:
    (shaky.folder / "target.crawls").touch()
    ours, theirs = pty.openpty()
    words = command("extract", "web 01@latest", str(shaky.folder / "out" / "root.qcow2"), "--disk", "0")
    process = subprocess.Popen(words, env=shaky.environ({"TERM": "xterm"}), stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # how a terminal's end says that the last writer has gone
    os.close(ours)
    assert process.wait() == 0
    assert b"MiB" in shown
    assert b"disk:web 01@" in shown
    assert b"making the qcow2" in shown


def test_the_examples_of_the_documentation(stored: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = re.findall(r"^\$ vmbackup (extract .*)$", (ROOT / "docs" / "restoring.md").read_text(), re.MULTILINE)
    assert len(lines) == 3
    monkeypatch.chdir(stored.folder / "out")
    for line in lines:
        done = stored.cli(*(word.replace("web01", "web 01") for word in shlex.split(line)))
        assert done.returncode == 0, (line, done.stderr)
    assert nothing_but(stored, "root.raw", "data.vhd", "data.qcow2")
