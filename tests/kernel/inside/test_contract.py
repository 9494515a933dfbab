"""What every target promises, over both versions of NFS."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.inside.server import ADDRESS, Server

from vmbackup.testing import TargetContract
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs


class TestContract(TargetContract):
    @pytest.fixture
    def target(self, settings: NfsSettings) -> Iterator[Nfs]:
        with Nfs("nas", settings) as entered:
            yield entered
        # One of the promises kills a process that has entered the target: its mount goes with the next that enters.
        with Nfs("nas", settings):
            pass

    @pytest.fixture
    def small_target(self, server: Server, version: str) -> Iterator[Nfs]:
        with server.exported("size=16m") as export:
            settings = NfsSettings(server=ADDRESS, export=str(export), options=f"nfsvers={version}")
            with Nfs("nas", settings) as entered:
                yield entered

    @pytest.fixture
    def wrong_target(self, settings: NfsSettings, server: Server) -> Iterator[Nfs]:
        """Another export of the same server is mounted where the right one should be."""
        with server.exported() as other:
            server.shell("mkdir", "-p", "/mnt/other")
            server.shell("mount.nfs", f"{ADDRESS}:{other}", "/mnt/other")
            yield Nfs("nas", settings.model_copy(update={"path": Path("/mnt/other"), "options": ""}))
            server.shell("umount", "/mnt/other")
