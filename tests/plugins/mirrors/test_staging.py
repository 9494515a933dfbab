import subprocess
import sys
from pathlib import Path

import pytest

from vmbackup import ImageError, OriginalFile, TargetError
from vmbackup.conformance.content import noise
from vmbackup.conformance.originals import Failing, MadeOriginal, folder, original
from vmbackup_mirrors.staging import TOGETHER, Stage, batches


def names(*sizes: tuple[str, int]) -> list[list[str]]:
    return [[file.name for file in batch] for batch in batches(OriginalFile(name, size, "") for name, size in sizes)]


def test_small_files_go_together_large_ones_and_manifests_alone() -> None:
    assert names(("begun.json", 9), ("a", 9), ("image.xva", TOGETHER + 1), ("b", 9), ("manifest.json", 9)) == [
        ["begun.json", "a"],
        ["image.xva"],
        ["b"],
        ["manifest.json"],
    ]
    assert names(("a", TOGETHER), ("b", 1), ("c", 1), ("manifest.2.json", 1)) == [
        ["a"],
        ["b", "c"],
        ["manifest.2.json"],
    ]
    assert names() == []


def test_what_has_a_path_is_linked_and_all_else_copied(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    for paths in (None, tmp_path):
        made = original(paths=paths)
        with Stage("far", spool) as stage:
            root = stage.fill(made, made.files)
            found = {path: path for path in root.rglob("*") if not path.is_dir()}
            assert {str(path.relative_to(root / made.folder)): path.read_bytes() for path in found} == made.contents
            assert all(path.is_symlink() == (paths is not None) for path in found)
            assert [path.name for path in stage.fill(made, made.files[:1]).rglob("*") if path.is_file()] == [
                "begun.json"
            ]
        assert not list(spool.iterdir())


def test_errors_of_the_original_go_on_and_leave_nothing(tmp_path: Path) -> None:
    error = ImageError("changed", position=0)
    made = original(failing=Failing("image.xva", error))
    with Stage("far", tmp_path) as stage, pytest.raises(ImageError) as raised:
        stage.fill(made, made.files)
    assert raised.value is error
    assert not list(tmp_path.iterdir())


def test_no_room_is_told_with_what_to_do(small: Path) -> None:
    made = MadeOriginal(folder(0), {"image.xva": noise(20 << 20)})
    with Stage("far", small) as stage, pytest.raises(TargetError, match="cannot be spooled: ") as raised:
        stage.fill(made, made.files)
    assert "`spool`" in raised.value.advice
    assert not list(small.iterdir())
    with pytest.raises(TargetError, match="No such file"), Stage("far", small / "away"):
        pass


def test_what_a_dead_process_left_goes_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from vmbackup_mirrors.staging import Stage\n"
        "stage = Stage('far', Path(sys.argv[1])); stage.__enter__(); (stage.empty() / 'x').touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    (tmp_path / "vmbackup-mirror-other-abc").mkdir()
    (tmp_path / "vmbackup-mirror-far-link").symlink_to(tmp_path / "vmbackup-mirror-other-abc")
    with Stage("far", tmp_path) as stage:
        assert not left.exists()
        kept = stage.empty()
        with Stage("far", tmp_path) as second:
            assert kept.exists()
            assert second.empty() != kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vmbackup-mirror-far-link", "vmbackup-mirror-other-abc"]
