"""The whole test of a target: one fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.shelf import Shelf, ShelfSettings

from vmbackup.testing import TargetContract


class TestShelf(TargetContract):
    """Everything that a target promises."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Shelf]:
        """Return a shelf of its own for each test."""
        with Shelf("mine", ShelfSettings(path=tmp_path / "shelf.db")) as entered:
            yield entered
