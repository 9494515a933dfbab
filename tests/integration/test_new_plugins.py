"""`vmbackup plugins new` writes distributions that install, pass their tests, and are found; of every kind."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from vmbackup.plugin_template import kinds


def ran(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment, which borrows from this one what is installed there already."""
    folder = tmp_path_factory.mktemp("clean")
    ran(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "borrowed.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin" / "python"


@pytest.mark.timeout(500)
@pytest.mark.parametrize("kind", kinds())
def test_a_new_plugin_installs_passes_its_tests_and_is_found(clean: Path, tmp_path: Path, kind: str) -> None:
    ran(clean, "-m", "vmbackup", "plugins", "new", kind, f"my-{kind}", "--dir", tmp_path, cwd=tmp_path)
    folder = tmp_path / f"vmbackup-my-{kind}"
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation", "--no-index", folder)
    assert f"Successfully installed vmbackup-my-{kind}-0.1.0" in ran(clean, *pip, cwd=tmp_path)
    (installed,) = clean.parents[1].glob(f"lib/python*/site-packages/vmbackup_my_{kind}/py.typed")
    assert installed.is_file()
    tests = ran(clean, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=folder)
    assert " passed" in tests
    assert "failed" not in tests
    found = json.loads(ran(clean, "-m", "vmbackup", "plugins", "--json", cwd=tmp_path))
    assert [one for one in found["failed"] if one["distribution"].startswith("vmbackup-my")] == []
    (mine,) = [one for one in found["plugins"] if (one["kind"], one["name"]) == (kind, f"my-{kind}")]
    assert (mine["distribution"], mine["version"]) == (f"vmbackup-my-{kind}", "0.1.0")
