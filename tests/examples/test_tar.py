"""The example of a mirror, installed as a stranger would into a new environment, and held to its promises."""

import json
import sys
import tarfile
from pathlib import Path

import pytest
from tests.integration.test_new_plugins import clean, ran
from tests.integration.world import World, job

from vmbackup.conformance import MIRROR_PROMISES, FolderPlace

__all__ = ["clean"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "vmbackup-tar"


@pytest.mark.timeout(300)
def test_it_installs_keeps_every_promise_and_takes_the_backups_of_a_job(
    clean: Path, world: World, tmp_path: Path
) -> None:
    assert clean.parent.parent not in Path(sys.executable).parents
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation", "--no-index", EXAMPLE)
    assert "Successfully installed vmbackup-tar-0.1.0" in ran(clean, *pip, cwd=tmp_path)
    # From elsewhere, so that what is installed is tested, and not what lies there.
    tests = ran(clean, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests", cwd=tmp_path)
    assert f"{len(MIRROR_PROMISES) + 2} passed" in tests
    found = json.loads(ran(clean, "-m", "vmbackup", "plugins", "--json", cwd=tmp_path))
    assert ("mirror", "tar", "vmbackup-tar") in {
        (one["kind"], one["name"], one["distribution"]) for one in found["plugins"]
    }
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    head = f'{world.head}\n[mirrors.shelf]\ntype = "tar"\npath = "{shelf}"\n'
    world.configure(job("web*", more='mirrors = ["shelf"]'), head=head)
    world.init_target()
    said = ran(clean, "-m", "vmbackup", "run", "test", "--strict", "--config", world.config, cwd=tmp_path)
    assert "web 01" in said
    (made,) = shelf.rglob("*.tar")
    with tarfile.open(made) as tar:
        there = {one.name: content.read() for one in tar if (content := tar.extractfile(one))}
    folder = made.relative_to(shelf).as_posix().removesuffix(".tar")
    assert there == FolderPlace(world.target).arrived(folder)
    assert "the mirrors lack nothing" in ran(clean, "-m", "vmbackup", "mirror", "--config", world.config, cwd=tmp_path)
