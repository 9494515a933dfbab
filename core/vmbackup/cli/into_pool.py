"""What every command needs that brings a backup back into the pool."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmbackup.cleanup import reconcile
from vmbackup.cli.progress import stepping
from vmbackup.journal import Journal
from vmbackup.lane import Lane
from vmbackup.restore import Destination, Source
from vmbackup.results import Backup, Failure
from vmbackup.site import Site
from vmbackup.xapi.inventory import read_pool


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of a restore, what could not be cleaned up after dead runs, and whom to tell of each step."""

    source: Source
    destination: Destination
    warnings: tuple[Failure, ...]
    enter: Callable[[str], None]


@contextmanager
def into_pool(site: Site, backup: Backup, times: int) -> Iterator[Ends]:
    """Log in, prove the target, and clean up after dead runs.

    Meanwhile the bytes are shown that are read of the backup, which is read so many `times`.
    """
    repository, state = site.repository(backup.target), site.state()
    run_id = secrets.token_hex(8)
    with site.session(f"vmbackup-{run_id}") as session, repository.target:
        repository.prove()
        pool = read_pool(session)
        lane = Lane(repository)
        warnings = tuple(reconcile(session, pool.uuid, [lane], state))
        lane.close()
        with (
            Journal.begin(state.journals, run_id, pool.uuid) as journal,
            stepping(backup.address, backup.size * times) as (tell, enter),
        ):
            source = Source(backup, repository, site.registry, tell)
            yield Ends(source, Destination(session, journal, f"{run_id}-{secrets.token_hex(6)}"), warnings, enter)
