"""Backups that are published first and compressed later, by a worker that needs no pool."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.world import MIB, World, command, job

from vmbackup.manifest import Begun
from vmbackup.results import Backup, exit_code
from vmbackup.simulator import DiskSpec

LATER = 'compress = { with = "zstd", level = 1, when = "after" }'


@pytest.fixture
def waiting(world: World) -> World:
    """A world with two backups that wait to be compressed: one whole VM, one disk."""
    world.pool.add_vm("db", [DiskSpec(3 * MIB, seed=5, fill=0.5)])
    more = '\n[[jobs.test.vms]]\nmatch = "db"\nmethod = "vdi-export"\n'
    world.configure(job("web*", keep=2, more=LATER) + more)
    assert exit_code(world.run(), strict=True) == 0
    return world


def names(world: World, backup: Backup) -> set[str]:
    folder = world.target / backup.folder
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def good(world: World) -> None:
    assert all(verdict.good for verdict in world.verify_all())


def test_a_backup_is_whole_before_it_is_compressed_and_afterwards(waiting: World) -> None:
    plain = {backup.folder: backup.manifest for backup in waiting.backups()}
    assert {manifest.image_file.name for manifest in plain.values() if manifest.image_file} == {
        "image.xva",
        "disk-0.raw",
    }
    good(waiting)
    done = waiting.cli("compress", "disk")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("compressed disk:") == 2
    for backup in waiting.backups():
        old = plain[backup.folder]
        image = backup.manifest.image_file
        assert image is not None
        assert old.image_file is not None
        assert image.name == f"{old.image_file.name}.zst"
        assert (backup.manifest.generation, backup.manifest.later) == (2, None)
        assert (image.content_digest, image.content_size) == (
            old.image_file.content_digest,
            old.image_file.content_size,
        )
        assert image.size < old.image_file.size
        assert backup.manifest.snapshot_time == old.snapshot_time
        assert names(waiting, backup) == {file.name for file in backup.manifest.files} | {
            "begun.json",
            "manifest.2.json",
        }
        folder = waiting.target / backup.folder
        checked = subprocess.run(
            ["sha256sum", "-c", "SHA256SUMS.2"], check=False, cwd=folder, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout
        assert image.name in checked.stdout
        text = (folder / "RESTORE.2.txt").read_text()
        assert "sha256sum -c SHA256SUMS.2" in text
        assert f" {image.name}" in text or f"filename={image.name}" in text
    good(waiting)
    again = waiting.cli("compress", "disk")
    assert (again.returncode, again.stdout) == (0, "")


def test_what_was_compressed_later_is_restored(waiting: World) -> None:
    assert waiting.cli("compress", "disk", "--jobs", "2").returncode == 0
    for name in ("web 01", "db"):
        done = waiting.cli("restore", f"{name}@latest", "--as", f"{name} again")
        assert done.returncode == 0, done.stderr


def test_retention_removes_every_generation(waiting: World) -> None:
    assert waiting.cli("compress", "disk").returncode == 0
    for _ in range(2):
        assert exit_code(waiting.run()) == 0
    assert [backup.manifest.generation for backup in waiting.backups()] == [1] * 4
    kept = {backup.folder for backup in waiting.backups()}
    assert {name.rsplit("/", 1)[0] for name in waiting.files() if name.endswith("begun.json")} == kept


def test_an_image_that_is_damaged_is_not_compressed(waiting: World) -> None:
    (image,) = waiting.target.rglob("image.xva")
    data = bytearray(image.read_bytes())
    data[len(data) // 2] ^= 1
    image.write_bytes(data)
    done = waiting.cli("compress", "disk")
    assert done.returncode == 13
    assert "image.xva is not what was stored" in done.stdout
    assert "compressed disk:db" in done.stdout
    assert image.read_bytes() == data
    assert not list(waiting.target.rglob("image.xva.zst"))
    (whole,) = [backup for backup in waiting.backups() if backup.manifest.method == "vm-export"]
    assert whole.manifest.generation == 1


def claimed(world: World, installation: str, age: timedelta) -> Backup:
    """The first backup, claimed by a worker of some installation."""
    backup = world.backups()[0]
    begun = Begun(
        installation=installation, run_id="0" * 16, host="elsewhere", boot_id="b", started=datetime.now(UTC) - age
    )
    path = world.target / backup.folder / "begun.2.json"
    path.write_text(begun.model_dump_json())
    return backup


@pytest.mark.parametrize(("hours", "taken"), [(1, False), (25, True)])
def test_what_a_worker_elsewhere_has_claimed_is_left_to_it_for_a_day(
    waiting: World, hours: int, *, taken: bool
) -> None:
    backup = claimed(waiting, "another-installation", timedelta(hours=hours))
    done = waiting.cli("compress", "disk")
    assert done.returncode == 0
    assert ("another worker has it" in done.stdout) == (not taken)
    generations = {found.folder: found.manifest.generation for found in waiting.backups()}
    assert generations[backup.folder] == (2 if taken else 1)
    good(waiting)


def test_what_a_dead_worker_of_ours_has_claimed_is_taken_over_at_once(waiting: World) -> None:
    here = waiting.site().state().installation().id
    backup = claimed(waiting, here, timedelta(0))
    (waiting.target / backup.folder / "SHA256SUMS.2").write_text("half")
    assert waiting.cli("compress", "disk").returncode == 0
    assert [found.manifest.generation for found in waiting.backups()] == [2, 2]
    good(waiting)


def test_two_workers_of_one_installation_do_not_meet(waiting: World) -> None:
    with waiting.site().state().lock("compress=disk"):
        done = waiting.cli("compress", "disk")
    assert done.returncode == 11
    assert "another compression on the target 'disk'" in done.stderr


def test_a_backup_that_is_removed_meanwhile_leaves_nothing(waiting: World) -> None:
    """Retention on another machine knows nothing of the worker: a folder that has gone stays gone."""
    backup = waiting.backups()[0]
    folder = waiting.target / backup.folder
    process = subprocess.Popen(
        command("compress", "disk"), env=waiting.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 30
    while not (folder / "begun.2.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    repository = waiting.repository()
    with repository.target:
        repository.remove(backup)
    output, _ = process.communicate(timeout=60)
    assert not folder.exists() or list(folder.iterdir()) == [], output
    assert process.returncode in {0, 4, 13}, output


def test_a_run_starts_the_worker_and_does_not_wait(world: World) -> None:
    world.configure(job("web*", more=LATER.replace('"after" }', '"after", worker = true }')))
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    while [backup.manifest.generation for backup in world.backups()] != [2]:
        assert time.monotonic() < deadline, (world.folder / "state" / "compress-disk.log").read_text()
        time.sleep(0.1)
    good(world)


def test_a_worker_that_watches_takes_what_comes_and_stops_when_it_is_told(waiting: World) -> None:
    process = subprocess.Popen(
        command("compress", "disk", "--watch"),
        env=waiting.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while [backup.manifest.generation for backup in waiting.backups()] != [2, 2]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.terminate()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output


def test_a_worker_that_watches_bears_a_storage_that_is_away(waiting: World) -> None:
    elsewhere = waiting.target.rename(waiting.folder / "elsewhere")
    process = subprocess.Popen(
        command("compress", "disk", "--watch", "--every", "1s"),
        env=waiting.environ(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("away disk: "), line
    time.sleep(2.5)
    elsewhere.rename(waiting.target)
    lines = [process.stdout.readline() for _ in range(2)]
    assert all(line.startswith("compressed disk:") for line in lines), "what is away is said once"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143


@pytest.mark.parametrize(
    ("compress", "message"),
    [
        ('{ with = "none", when = "after" }', "'none' makes nothing smaller later"),
        ('{ with = "zstd", worker = true }', 'a worker is only for when = "after"'),
        ('{ with = "zst", when = "after" }', "did you mean 'zstd'"),
    ],
)
def test_what_makes_no_sense_is_refused(world: World, compress: str, message: str) -> None:
    world.configure(job("web*", more=f"compress = {compress}"))
    done = world.cli("run", "test")
    assert done.returncode == 2
    assert message in done.stderr
