from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.builders import START
from tests.core.stores import INSTALLATION, Killed, Mortal, begun, folder_of, make, opened, tree, write

from vmbackup import Entry
from vmbackup.cleanup import tidy
from vmbackup.journal import Journal
from vmbackup.repository import Repository
from vmbackup.state import Installation, State
from vmbackup_targets.local import Local

HERE = Installation(INSTALLATION, "backup1", "b")
FOLDER = folder_of(START)
LATER = folder_of(START + timedelta(days=1))
DEAD, ALIVE = "d" * 16, "a" * 16


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def test_what_a_dead_run_of_ours_began_goes_also_when_its_journal_is_lost(
    root: Path, repository: Repository, state: State
) -> None:
    make(repository, START + timedelta(days=2))
    before = tree(root)
    repository.begin(FOLDER, begun(DEAD))
    write(repository, FOLDER, {"ova.xml": b"<value/>"})
    assert list(tidy(repository, HERE, state)) == []
    assert tree(root) == before


def test_what_a_living_run_or_another_installation_began_stays(
    root: Path, repository: Repository, state: State
) -> None:
    repository.begin(FOLDER, begun(ALIVE))
    repository.begin(LATER, begun(DEAD, installation="another"))
    before = tree(root)
    with Journal.begin(state.journals, ALIVE, "pool-1"):
        assert list(tidy(repository, HERE, state)) == []
    assert tree(root) == before


def test_what_a_run_begins_while_we_look_stays(root: Path, state: State) -> None:
    with ExitStack() as stack:

        class Busy(Local):
            """A target to which another run of this installation begins a backup while it is being listed."""

            def entries(self, prefix: str = "") -> Iterator[Entry]:
                if not (root / FOLDER).exists():
                    stack.enter_context(Journal.begin(state.journals, ALIVE, "pool-1"))
                    with opened(root) as other:
                        other.begin(FOLDER, begun(ALIVE))
                return super().entries(prefix)

        with opened(root, Busy) as repository:
            assert list(tidy(repository, HERE, state)) == []
        assert (root / FOLDER / "begun.json").exists()


def test_a_removal_that_was_cut_short_is_finished_whoever_began_it(root: Path, state: State) -> None:
    with opened(root, Mortal) as repository:
        assert isinstance(repository.target, Mortal)
        before = tree(root)
        repository.target.left = 100
        backup = make(repository)
        repository.target.left = 3
        with pytest.raises(Killed):
            repository.remove(backup)
        repository.target.left = 100
        assert list(tidy(repository, Installation("another", "backup2", "c"), state)) == []
    assert tree(root) == before
