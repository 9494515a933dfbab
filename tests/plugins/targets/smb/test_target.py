"""The promises of a target, kept on Debian's smbd: by our own frames, and by the library's requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.targets.smb.conftest import MODES, settings
from tests.plugins.targets.smb.samba import Samba, running

from vmbackup.testing import TargetContract
from vmbackup_targets.smb.lane import LibraryLane
from vmbackup_targets.smb.target import Smb
from vmbackup_targets.smb.wire_lane import WireLane


class TestOnOurFrames(TargetContract):
    @pytest.fixture(params=["encrypted", "signed", "signed with CMAC"])
    def mode(self, request: pytest.FixtureRequest) -> str:
        mode: str = request.param
        return mode

    @pytest.fixture
    def target(self, target: Smb) -> Smb:
        assert isinstance(target._way().lane, WireLane)
        return target

    @pytest.fixture
    def small_target(self, mode: str, tmp_path: Path) -> Iterator[Smb]:
        with (
            running(Samba(tmp_path / "small", MODES[mode][0], size="24m")) as server,
            Smb("nas", settings(server, encrypt=MODES[mode][1])) as target,
        ):
            yield target

    # A share has nothing but the identity file, which is the core's, to be known by.
    test_refuses_to_be_another = None  # type: ignore[assignment]


class TestOnTheLibrarysRequests(TestOnOurFrames):
    @pytest.fixture(params=["encrypted with CCM", "signed with HMAC"])
    def mode(self, request: pytest.FixtureRequest) -> str:
        mode: str = request.param
        return mode

    @pytest.fixture
    def target(self, target: Smb) -> Smb:
        assert isinstance(target._way().lane, LibraryLane)
        return target
