"""What is not ours is never touched, however much it looks like ours."""

import http.client
import re
import ssl
from pathlib import Path

import XenAPI
from tests.integration.world import World, job, stranger

from vmbackup.journal import Journal
from vmbackup.results import exit_code
from vmbackup.xapi.marks import OWNER


def import_by_foreign_means(world: World, session: XenAPI.Session, image: Path, more: str = "") -> str:
    """Import an image as `xe vm-import` does, with nothing of ours; return the VM's reference."""
    host, port = world.pool.url.removeprefix("https://").split(":")
    context = ssl._create_unverified_context()  # noqa: S323 - a stranger who does not look
    connection = http.client.HTTPSConnection(host, int(port), context=context)
    task = session.xenapi.task.create("import", "")
    sr = session.xenapi.pool.get_default_SR(session.xenapi.pool.get_all()[0])
    path = f"/import?session_id={session.handle}&task_id={task}&sr_id={sr}{more}"
    connection.request("PUT", path, body=image.read_bytes())
    connection.getresponse().read()
    connection.close()
    while session.xenapi.task.get_status(task) == "pending":
        pass
    assert session.xenapi.task.get_status(task) == "success", session.xenapi.task.get_error_info(task)
    (ref,) = re.findall(r"OpaqueRef:[0-9a-f-]+", session.xenapi.task.get_result(task))
    session.xenapi.task.destroy(task)
    return str(ref)


def test_a_foreign_import_of_our_image_and_its_snapshots_are_left_alone(world: World) -> None:
    """The image carries our mark inside; so do the VM that somebody imports from it, and a user's snapshot of that."""
    world.run()
    image = next(world.target.rglob("image.xva"))
    assert OWNER.encode() in image.read_bytes(), "the mark travels in the image"
    with stranger(world) as session:
        vm = import_by_foreign_means(world, session, image)
        session.xenapi.VM.set_name_label(vm, "a stranger's")
        assert OWNER in session.xenapi.VM.get_other_config(vm)
        snapshot = session.xenapi.VM.snapshot(vm, "before the upgrade")
        assert OWNER in session.xenapi.VM.get_other_config(snapshot)
        run_id = session.xenapi.VM.get_other_config(snapshot)[OWNER].partition("/")[0]
    before = world.records()
    # A dead run of that very id, with everything still open in its journal, is the worst that can meet them.
    with Journal.begin(world.folder / "state" / "journal", run_id, _pool_uuid(world)) as journal:
        for name in ("before the upgrade", "a stranger's", "web 01"):
            journal.intend("vm-snapshot", name=f"vmbackup-{run_id}-{name}", source=str(before["VM"][vm]["uuid"]))
        journal.intend("disk-snapshot", source=_disk_uuid(before, vm), before=[])
    report = world.run()
    assert exit_code(report) == 0
    assert report.all_warnings == ()
    assert world.records() == before
    assert world.journals() == []


def _pool_uuid(world: World) -> str:
    (pool,) = world.pool.records("pool").values()
    return str(pool["uuid"])


def _disk_uuid(records: dict[str, dict[str, dict[str, object]]], vm: str) -> str:
    (vdi, *_) = [vbd["VDI"] for vbd in records["VBD"].values() if vbd["VM"] == vm and vbd["type"] == "Disk"]
    return str(records["VDI"][str(vdi)]["uuid"])


def test_a_users_own_snapshot_of_a_vm_stays(world: World) -> None:
    with stranger(world) as session:
        vm = session.xenapi.VM.get_by_name_label("web 01")[0]
        session.xenapi.VM.snapshot(vm, "mine")
    before = world.records()
    for more in ("", 'method = "vdi-export"'):
        world.configure(job("web 01", more=more))
        assert exit_code(world.run()) == 0
        assert world.records() == before


def test_foreign_files_on_the_target_stay(world: World) -> None:
    world.configure(job("web*", keep=1))
    world.run()
    folder = next(world.target.rglob("image.xva")).parent
    foreign = [world.target / "photos" / "2020" / "album" / "trash.json", folder / "notes.txt", world.target / "x.txt"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (world.target / "link").symlink_to("/etc")
    assert exit_code(world.run()) == 0
    assert len(world.backups()) == 1
    assert all(path.read_text() == "mine" for path in foreign)
    assert (world.target / "link").is_symlink()
    assert not (folder / "image.xva").exists(), "the older backup is gone, but for the stranger's note"
