import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.core.broken_mirrors import over
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.targets.smb.conftest import MODES, settings
from tests.plugins.targets.smb.samba import Samba, running

from vmbackup import Buffer, Settings, Stored, Target
from vmbackup.conformance import FolderPlace
from vmbackup.testing import MirrorContract
from vmbackup_mirrors.copy import Copy, CopySettings
from vmbackup_targets.local import Local, LocalSettings
from vmbackup_targets.smb.target import Smb


class TestToAFolder(MirrorContract):
    @pytest.fixture
    def mirror(self, tmp_path: Path) -> Iterator[Copy]:
        with over(Copy, tmp_path) as entered:
            yield entered

    @pytest.fixture
    def place(self, tmp_path: Path) -> FolderPlace:
        return FolderPlace(tmp_path)

    @pytest.fixture
    def slow_mirror(self, tmp_path: Path) -> Iterator[Copy]:
        with mirror_to(SlowDisk("second", LocalSettings(path=tmp_path))) as entered:
            yield entered

    @pytest.fixture
    def broken_mirror(self, tmp_path: Path) -> Copy:
        return over(Copy, tmp_path / "away")


class TestToAShare(MirrorContract):
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Samba]:
        with running(Samba(tmp_path / "samba", MODES["encrypted"][0])) as server:
            yield server

    @pytest.fixture
    def mirror(self, server: Samba) -> Iterator[Copy]:
        with mirror_to(Smb("second", settings(server))) as entered:
            yield entered

    @pytest.fixture
    def place(self, server: Samba) -> FolderPlace:
        return FolderPlace(server.share)

    @pytest.fixture
    def slow_mirror(self, server: Samba) -> Iterator[Copy]:
        with (
            Proxy(server.port, rate=2600 << 10) as proxy,
            mirror_to(Smb("second", settings(server, port=proxy.port))) as entered,
        ):
            yield entered

    @pytest.fixture
    def broken_mirror(self, server: Samba) -> Copy:
        server.stop()
        return mirror_to(Smb("second", settings(server)))


class SlowDisk(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        def slowly() -> Iterator[Buffer]:
            for chunk in chunks:
                time.sleep(0.1)
                yield chunk

        return super().store(key, slowly())


def mirror_to(target: Target[Settings]) -> Copy:
    mirror = Copy("offsite", CopySettings(target="second"))
    mirror.meet(lambda _: target)
    return mirror
