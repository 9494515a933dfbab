from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.core.adopt.small_tree import MortalTarget
from tests.core.builders import START, manifest
from tests.core.stores import FILES, FOLDER, ID, Killed, begun, local, opened, tree, write

from vmbackup.errors import TargetError
from vmbackup.manifest import Twin
from vmbackup.repository import Repository, Unfinished
from vmbackup.twins import MARKERS, new_twin, second_names

VM = "web 01 (neu)"
TWIN = new_twin(VM, START)
COPY = TWIN.folder[-1]


def store(repository: Repository) -> None:
    """All that a run stores of a backup, as far as it lives."""
    repository.begin(FOLDER, begun(), VM)
    repository.publish(FOLDER, manifest(files=write(repository, FOLDER, FILES)))


def of_nau(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(root).items() if name.startswith(VM)}


WHOLE = {
    f"{VM}/": b"",
    f"{VM}/{COPY}/": b"",
    f"{VM}/{COPY}/DISK-xvda/": b"",
    f"{VM}/{COPY}/DISK-xvda/vdi.cfg": FILES["DISK-xvda/vdi.cfg"],
    f"{VM}/{COPY}/VIFs/": b"",
    f"{VM}/{COPY}/VIFs/vif-0.cfg": FILES["VIFs/vif-0.cfg"],
    f"{VM}/{COPY}/vm-metadata.xml": FILES["ova.xml"],
    f"{VM}/{COPY}/{VM}.xva": FILES["image.xva"],
    f"{VM}/{COPY}/success": b"",
}


def test_each_file_has_its_second_name_and_is_stored_once(root: Path) -> None:
    with local(root) as target:
        store(Repository(target, ID, "nau"))
    assert of_nau(root) == WHOLE
    assert (root / VM / COPY / f"{VM}.xva").samefile(root / FOLDER / "image.xva")


def test_without_the_layout_there_is_none(root: Path) -> None:
    with opened(root) as repository:
        store(repository)
    assert of_nau(root) == {}


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("image.xva.zst", f"{VM}.xva.zst"),
        ("disk-0.raw", f"{VM}.raw"),
        ("disk-12.vhd", f"{VM}.vhd"),
        ("ova.xml", "vm-metadata.xml"),
        ("vm.cfg", "vm.cfg"),
        ("DISK-xvdb/vbd.cfg", "DISK-xvdb/vbd.cfg"),
        ("RESTORE.txt", None),
        ("SHA256SUMS", None),
        ("manifest.json", None),
    ],
)
def test_names(name: str, second: str | None) -> None:
    names = second_names(name, TWIN)
    assert names == (None if second is None else (*TWIN.folder, *second.split("/")))


def test_the_time_is_local_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 7, 1, 12, 0, 1, tzinfo=UTC)
    assert new_twin("a", moment).folder == ("a", f"backup-{moment.astimezone():%Y-%m-%d-(%H:%M:%S)}")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "nul\0", "ü" * 128])
def test_a_name_that_no_folder_can_have_is_refused(root: Path, name: str) -> None:
    with pytest.raises(TargetError, match="cannot be a folder's"):
        new_twin(name, START)


def test_killed_after_any_change_nothing_is_left_or_all_is_there(root: Path) -> None:
    before = tree(root)
    changes = 0
    while True:
        with local(root, MortalTarget) as target:
            assert isinstance(target, MortalTarget)
            target.left = changes
            try:
                store(Repository(target, ID, "nau"))
            except Killed:
                killed = True
            else:
                killed = False
        with opened(root) as repository:
            repository.abandon(FOLDER)
            if not repository.backups():
                assert tree(root) == before, changes
                changes += 1
                continue
            assert of_nau(root) == WHOLE
            if not killed:
                break
            repository.remove(repository.backups()[0])
        assert tree(root) == before
        changes += 1
    assert changes > 10


def test_a_removal_that_is_killed_after_any_change_is_finished(root: Path) -> None:
    before = tree(root)
    for changes in range(1, 40):
        with local(root) as target:
            store(Repository(target, ID, "nau"))
        with local(root, MortalTarget) as target:
            assert isinstance(target, MortalTarget)
            target.left = changes
            repository = Repository(target, ID, "nau")
            try:
                repository.remove(repository.backups()[0])
            except Killed:
                killed = True
            else:
                killed = False
        with opened(root) as again:
            assert again.backups() == []
            for found in list(again.scan()):
                assert isinstance(found, Unfinished) and found.trashed  # noqa: PT018
                again.finish_removal(found.folder)
        assert tree(root) == before, changes
        if not killed:
            assert changes > 12
            return
    pytest.fail("it never came to its end")


def test_names_that_somebody_else_has_fail_the_backup_and_stay(root: Path) -> None:
    (root / VM / COPY).mkdir(parents=True)
    (root / VM / COPY / f"{VM}.xva").write_bytes(b"somebody's")
    before = tree(root)
    with local(root) as target:
        repository = Repository(target, ID, "nau")
        with pytest.raises(TargetError, match="stays as it is"):
            store(repository)
        assert repository.backups() == []
        repository.abandon(FOLDER)
    assert tree(root)[f"{VM}/{COPY}/{VM}.xva"] == before[f"{VM}/{COPY}/{VM}.xva"]
    assert not (root / VM / COPY / MARKERS[0]).exists()


def test_metadata_that_somebody_else_has_stays_when_a_backup_is_given_up(root: Path) -> None:
    (root / VM / COPY).mkdir(parents=True)
    (root / VM / COPY / "vm-metadata.xml").write_bytes(b"somebody's")
    before = of_nau(root)
    with local(root) as target:
        repository = Repository(target, ID, "nau")
        with pytest.raises(TargetError, match="stays as it is"):
            store(repository)
        repository.abandon(FOLDER)
    assert of_nau(root) == before


def test_a_twin_of_a_hostile_fact_never_leaves_the_target() -> None:
    for folder in (("..", "x"), ("a/b", "c"), ("only",), ("a", "")):
        with pytest.raises(ValueError, match="folder"):
            Twin.model_validate({"folder": folder, "stem": "x"})
    with pytest.raises(ValueError, match="stem"):
        Twin(folder=("a", "b"), stem="../../etc/passwd")
