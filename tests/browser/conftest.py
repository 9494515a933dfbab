from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pictures.browser import Browser, browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all pages."""
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Where a test saves its page."""
    return tmp_path / "page.html"
