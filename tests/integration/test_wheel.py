"""The wheel, installed into a clean environment with the sources out of the way, makes a backup."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.integration.world import World

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_the_wheel_makes_a_backup(world: World, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", str(clean)], check=True)
    pip = [str(clean / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    where = subprocess.run(
        [str(clean / "bin" / "python"), "-c", "import vmbackup; print(vmbackup.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    ).stdout
    assert where.startswith(str(clean)), "the sources are in the way"
    done = subprocess.run(
        [str(clean / "bin" / "vmbackup"), "run", "test"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=world.environ(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(verdict.good for verdict in world.verify_all())
    new = [str(clean / "bin" / "vmbackup"), "plugins", "new", "target", "my-nas", "--dir", str(tmp_path)]
    subprocess.run(new, check=True, capture_output=True)
    assert (tmp_path / "vmbackup-my-nas" / "vmbackup_my_nas" / "__init__.py").is_file()
    site = [str(clean / "bin" / "vmbackup"), "site", str(tmp_path / "site")]
    subprocess.run(site, check=True, capture_output=True, env=world.environ(), cwd=tmp_path)
    assert "web 01" in (tmp_path / "site" / "index.html").read_text()
    with ZipFile(wheel) as archive:
        typed = {name.partition("/")[0] for name in archive.namelist() if name.endswith("/py.typed")}
    assert {"vmbackup", "vmbackup_targets", "vmbackup_compressors", "vmbackup_reporters"} <= typed
