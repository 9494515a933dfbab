"""The server dies, or is cut off, while ten stores are at ten different places."""

from pathlib import Path

import pytest
from tests.kernel.inside.server import QUICK, Server
from tests.kernel.inside.stopping import PLACES, join, settle, stores_at_every_place, whole

from vmbackup import Entry
from vmbackup_targets.nfs.settings import NfsSettings
from vmbackup_targets.nfs.target import Nfs


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["dies", "falls silent"])
def test_no_key_appears_when_the_server_goes_and_the_next_run_leaves_nothing_of_it(
    settings: NfsSettings, server: Server, export: Path, how: str
) -> None:
    goes, comes = (server.stop, server.start) if how == "dies" else (server.cut, server.mend)
    with Nfs("nas", settings) as target:
        target.store("pool/kept", [b"kept"])
        stores = stores_at_every_place(target, goes)
    # Leaving it has ended what hung in it.
    join(stores)
    comes()
    settle()
    failed = {store.place for store in stores if store.error}
    assert failed >= set(PLACES) - {"os.remove"}, "the last place is after the name was given"
    with Nfs("nas", settings) as target:
        # Whether the name was given is not known when the answer is lost; what has the name is whole.
        for store in stores:
            found = target.stat(store.key)
            if found is not None:
                assert store.place in {"os.link", "os.remove"}, store.place
                assert b"".join(target.fetch(store.key)) == whole(store.key)
                target.delete(store.key)
        for leftover in list(target.leftovers()):
            target.discard(leftover)
        assert names(export) == {"pool/kept"}
        for store in stores:
            target.store(store.key, [b"again"])
            assert b"".join(target.fetch(store.key)) == b"again"
            target.delete(store.key)
        assert list(target.entries("pool")) == [Entry("pool/kept", 4)]


@pytest.mark.timeout(300)
def test_on_a_hard_mount_a_store_outlives_a_restart_of_the_server(
    settings: NfsSettings, server: Server, version: str
) -> None:
    hard = settings.model_copy(update={"options": f"nfsvers={version},hard,{QUICK}"})

    def restarts() -> None:
        server.stop()
        server.start(graceful=True)

    with Nfs("nas", hard) as target:
        target.store("pool/kept", [b"kept"])
        stores = stores_at_every_place(target, restarts)
        join(stores)
        assert [store.error for store in stores] == [None] * len(PLACES)
        for store in stores:
            assert b"".join(target.fetch(store.key)) == whole(store.key)
        assert list(target.leftovers()) == []
