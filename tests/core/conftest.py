"""A target that is set up; and plugins of strangers: real distributions that are found like any other."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.stores import IDENTITY, opened

from vmbackup.repository import Repository

Bring = Callable[..., str]
COUNTER = itertools.count()


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bring:
    """Install a distribution with one module as its entry point, and return the module's name."""

    def install(distribution: str, code: str, version: str = "1.0") -> str:
        # Modules stay imported after a test, so each has a name of its own.
        module = f"stranger_{next(COUNTER)}"
        site = tmp_path / "site" / module
        about = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[vmbackup]\nmain = {module}\n")
        (site / f"{module}.py").write_text(f"from vmbackup import *\n{code}")
        monkeypatch.syspath_prepend(site)
        return module

    return install


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A target that is set up."""
    folder = tmp_path / "target"
    folder.mkdir()
    with opened(folder) as repository:
        repository.initialise(IDENTITY)
    return folder


@pytest.fixture
def repository(root: Path) -> Iterator[Repository]:
    with opened(root) as found:
        yield found
