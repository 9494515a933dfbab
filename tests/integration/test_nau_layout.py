"""`backup-layout = "nau"`: for sites whose scripts expect the folders and markers of NAU VMbackup."""

from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.config_file import load
from vmbackup.errors import ConfigError
from vmbackup.registry import Registry
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.site import Site

VM = "web 01"


@pytest.fixture
def laid(tmp_path: Path, pool: Simulator) -> World:
    """A pool with a small VM, and a target with that layout."""
    pool.add_vm(VM, [DiskSpec(3 * MIB, seed=1, fill=0.6)])
    world = World(tmp_path, pool)
    world.configure("", head=head(world))
    world.init_target()
    return world


def head(world: World) -> str:
    return world.head + 'backup-layout = "nau"\n'


def copies(world: World, vm: str = VM) -> list[Path]:
    return sorted(world.target.glob(f"{vm}/backup-*"))


def names(copy: Path) -> set[str]:
    return {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}


METADATA = {"vm-metadata.xml", "vm.cfg", "DISK-xvda/vbd.cfg", "DISK-xvda/vdi.cfg", "VIFs/vif-0.cfg", "success"}


@pytest.mark.parametrize(
    ("more", "image"),
    [
        ("", "xva"),
        ('method = "vdi-export"', "raw"),
        ('compress = { with = "gzip", when = "host" }', "xva.gz"),
        ('compress = { with = "zstd" }', "xva.zst"),
    ],
)
def test_scripts_find_what_they_know_and_retention_takes_both_names(laid: World, more: str, image: str) -> None:
    laid.configure(job("web*", keep=1, more=more), head=head(laid))
    assert exit_code(laid.run()) == 0
    (copy,) = copies(laid)
    assert names(copy) == METADATA | {f"{VM}.{image}"}
    (backup,) = laid.backups()
    assert backup.manifest.image_file is not None
    assert (copy / f"{VM}.{image}").samefile(laid.target / backup.folder / backup.manifest.image_file.name)
    assert all(verdict.good for verdict in laid.verify_all())
    stamp = backup.manifest.started.astimezone()
    assert copy.name == f"backup-{stamp:%Y-%m-%d-(%H:%M:%S)}"
    # What a second backup in the same second would be called is the first one's name.
    while exit_code(laid.run()) != 0:
        assert copies(laid) == [copy]
    assert len(laid.backups()) == 1
    assert len(copies(laid)) == 1
    assert copies(laid) != [copy]


def test_what_it_has_laid_out_is_not_adopted(laid: World) -> None:
    laid.configure(job("web*"), head=head(laid))
    assert exit_code(laid.run()) == 0
    done = laid.cli("adopt", str(laid.target))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 already")
    assert len(laid.backups()) == 1


def test_a_vm_whose_name_no_folder_can_have_fails_alone(laid: World) -> None:
    laid.pool.add_vm("web/02", [DiskSpec(MIB, seed=2)])
    laid.configure(job("web*"), head=head(laid))
    report = laid.run()
    assert exit_code(report) == 3
    (failure,) = [outcome.failure for result in report.results for outcome in result.outcomes if outcome.failure]
    assert "'web/02' cannot be a folder's" in failure.message
    assert len(laid.backups()) == 1
    assert laid.journals() == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            ('type = "local"', 'type = "s3"\nbucket = "vms"\naccess-key = { env = "A" }\nsecret-key = { env = "B" }'),
            "takes keys alone",
        ),
        (('backup-layout = "nau"', 'backup-layout = "old"'), "targets.disk.backup-layout"),
        (("keep = { last = 4 }", 'keep = { last = 4 }\ncompress = { with = "zstd", when = "after" }'), "second names"),
    ],
)
def test_what_it_cannot_be_with_is_refused(laid: World, changed: tuple[str, str], told: str) -> None:
    laid.configure(job("web*"), head=head(laid))
    text = laid.config.read_text().replace(*changed)
    if "s3" in text:
        text = text.replace(f'path = "{laid.target}"\n', "")
    laid.config.write_text(text)
    with pytest.raises(ConfigError, match=told):
        Site(load(laid.config), Registry.installed()).job("test")
