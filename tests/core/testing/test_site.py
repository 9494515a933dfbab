"""The fixtures of `vmbackup.testing.fixtures`, with a plugin of each kind that takes part as it is."""

from pathlib import Path

import pytest
from examples.shelf import Shelf, ShelfSettings
from tests.core.test_listeners import Order, Tell, Write

from vmbackup import NoSettings, Plugin, Run, hookimpl
from vmbackup.methods.vdi_export import VdiExport, VdiExportSettings
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.testing import SimulatedSite
from vmbackup_compressors.gzip import Gzip, GzipSettings

pytest_plugins = ["vmbackup.testing.fixtures"]
MIB = 1 << 20


class Hears:
    """A moment."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    @hookimpl
    def vmbackup_run_started(self, run: Run) -> None:
        self.runs.append(run)


@pytest.fixture
def vm(pool: Simulator) -> str:
    return pool.add_vm("web", [DiskSpec(2 * MIB, seed=1), DiskSpec(MIB, seed=2)])


def test_a_backup_from_end_to_end(site: SimulatedSite, vm: str) -> None:
    before = site.records()
    report = site.run()
    assert (report.succeeded, report.failed) == (1, 0)
    assert site.records() == before
    (backup,) = site.backups()
    assert backup.manifest.vm is not None
    assert (backup.manifest.vm.uuid, backup.manifest.method) == (vm, "vm-export")
    assert site.verify(backup).good
    restored = site.restore(backup, "again")
    assert site.same(backup, restored)
    assert site.records() != before
    site.pool.disk_path(restored.disks[1]).write_bytes(bytes(MIB))
    assert not site.same(backup, restored)


def test_plugins_of_every_kind_take_part_as_they_are(site: SimulatedSite, vm: str, tmp_path: Path) -> None:
    order, hears = Order(), Hears()
    site.use(
        VdiExport("os-disk", VdiExportSettings(format="vhd")),
        Shelf("shelf", ShelfSettings(path=tmp_path / "shelf.db")),
        Gzip("small", GzipSettings(level=1)),
        Write("page", order),
        Tell("mail", order),
        listeners=[hears],
    )
    report = site.run()
    assert report.failed == 0
    assert report.targets == ("shelf",)
    (backup,) = site.backups()
    assert backup.manifest.method == "os-disk"
    assert [file.name for file in backup.manifest.files if file.role == "image"] == ["disk-0.vhd.gz"]
    assert site.verify(backup).good
    assert site.same(backup, site.restore(backup, "again"))
    assert order.told == ["page", "mail"]
    assert hears.runs == [report.run]
    assert not list((site.folder / "target").rglob("*.gz"))


def test_which_vms_and_what_else_a_job_says(site: SimulatedSite, vm: str) -> None:
    site.pool.add_vm('odd "one"', [DiskSpec(MIB, seed=3)])
    site.configure(vms='odd "one"', more="pool-database = true")
    report = site.run()
    assert [result.vm for result in report.results] == ['odd "one"']
    assert sorted(backup.manifest.vm is None for backup in site.backups()) == [False, True]


class Odd(Plugin[NoSettings]):
    kind = "odd"
    name = "odd"


def test_only_plugins_that_a_job_names_take_part(site: SimulatedSite) -> None:
    site.use(Odd("odd", NoSettings()))
    with pytest.raises(TypeError, match="of no kind that a job names"):
        site.run()
