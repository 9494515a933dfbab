from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup import Entry, TargetError
from vmbackup.testing import TargetContract
from vmbackup_targets.local import Local, LocalSettings


def test_the_root_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="absent") as raised, Local("usb", LocalSettings(path=tmp_path / "absent")):
        pytest.fail("it was entered")
    assert "mounted" in raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_the_root_may_be_a_link_but_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    with Local("disk", LocalSettings(path=tmp_path / "link")) as target:
        assert list(target.entries()) == [Entry("file", 1)]
    with pytest.raises(TargetError), Local("disk", LocalSettings(path=tmp_path / "file")):
        pytest.fail("it was entered")


def test_relative_paths_and_unknown_settings_are_refused() -> None:
    for section in ({"path": "relative"}, {}, {"path": "/x", "create": True}):
        with pytest.raises(ValidationError):
            LocalSettings.model_validate(section)


class TestContract(TargetContract):
    @pytest.fixture
    def target(self, root: Path) -> Iterator[Local]:
        with Local("disk", LocalSettings(path=root)) as entered:
            yield entered

    @pytest.fixture
    def small_target(self, small: Path) -> Iterator[Local]:
        with Local("disk", LocalSettings(path=small)) as entered:
            yield entered
