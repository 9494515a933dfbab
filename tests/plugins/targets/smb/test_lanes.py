"""Which way the bytes go, and that a library that has changed inside costs speed alone."""

import logging
from collections.abc import Callable, Iterator

import pytest
from tests.plugins.targets.smb.conftest import settings
from tests.plugins.targets.smb.samba import Samba

from vmbackup_targets.smb.lane import LibraryLane
from vmbackup_targets.smb.lanes import lane_for
from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.login import log_in
from vmbackup_targets.smb.wire_lane import WireLane


@pytest.fixture
def link(servers: Callable[[str], Samba]) -> Iterator[Link]:
    link = log_in(settings(servers("encrypted")))
    yield link
    link.close()


def test_the_library_that_is_installed_is_known_from_inside(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(lane_for(link, 1 << 20), WireLane)
    assert caplog.records == []


def test_another_library_takes_the_slow_way_and_says_so(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    window = link.channel.sequence_window
    link.channel.sequence_window = [window["low"], window["high"]]
    try:
        assert isinstance(lane_for(link, 1 << 20), LibraryLane)
    finally:
        link.channel.sequence_window = window
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "slow" in record.message
