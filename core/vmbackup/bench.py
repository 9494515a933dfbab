"""What backups are made with, the same for every VM of a run, and how what they write is described."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vmbackup.contracts import Compressor
from vmbackup.headroom import Margin
from vmbackup.journal import Journal
from vmbackup.keys import folder_name
from vmbackup.lane import Lane
from vmbackup.listeners import Listeners
from vmbackup.manifest import Begun, Exported, Image, Later, LeftOut, Manifest, PoolFact, StoredFile, VMFact
from vmbackup.models import VM, Disk, Pool
from vmbackup.results import Outcome, Run
from vmbackup.settings import Settings
from vmbackup.state import Installation
from vmbackup.stream import Meter
from vmbackup.version import __version__
from vmbackup.watch import Watcher
from vmbackup.xapi.session import Session
from vmbackup.xapi.watchdog import Limits


@dataclass(frozen=True, slots=True)
class Packing:
    """How images are compressed: by the pool's host, by a compressor of ours in the stream, later, or not at all."""

    host: str | None = None
    compressor: Compressor[Settings] | None = None
    later: Later | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What backups are made with: the same for every VM of a run.

    `lanes` are the targets that are there, `lost` what there is to say of those that are not.
    """

    run: Run
    session: Session
    journal: Journal
    lanes: tuple[Lane, ...]
    lost: tuple[Outcome, ...]
    installation: Installation
    packing: Packing
    listeners: Listeners
    watcher: Watcher
    limits: Limits
    margin: Margin

    def limits_for(self, seconds: float | None) -> Limits:
        """Return the limits of transfers that begin now, for something that may take `seconds`."""
        deadlines = [self.limits.deadline, None if seconds is None else time.monotonic() + seconds]
        known = [deadline for deadline in deadlines if deadline is not None]
        return replace(self.limits, deadline=min(known) if known else None)

    def begun(self, started: datetime) -> Begun:
        """Say who begins a folder on the target."""
        here = self.installation
        return Begun(installation=here.id, run_id=self.run.id, host=here.host, boot_id=here.boot_id, started=started)

    def manifest(
        self,
        *,
        method: str,
        started: datetime,
        snapshot_time: datetime,
        vm: VM | None,
        image: Image | None,
        files: Iterable[StoredFile],
        exported: Exported = "snapshot",
        left_out: Iterable[Disk] = (),
    ) -> Manifest:
        """Put a manifest together; it is finished now."""
        pool = self.run.pool
        return Manifest(
            run_id=self.run.id,
            installation=self.installation.id,
            written_by=f"vmbackup {__version__}",
            job=self.run.job,
            method=method,
            pool=PoolFact(uuid=pool.uuid, name=pool.name, product=pool.product, version=pool.version),
            vm=vm_fact(vm, left_out) if vm else None,
            exported=exported,
            image=image,
            started=started,
            snapshot_time=snapshot_time,
            finished=datetime.now(UTC),
            files=tuple(files),
            later=self.packing.later if image else None,
        )


def vm_fact(vm: VM, left_out: Iterable[Disk]) -> VMFact:
    """Describe a VM as it was for its backup, which leaves some of its disks out."""
    return VMFact(
        uuid=vm.uuid,
        name=vm.name,
        power_state=vm.power_state,
        secrets=vm.secrets,
        left_out=tuple(LeftOut(uuid=disk.uuid, name=disk.name, position=disk.position) for disk in left_out),
    )


def stored_file(role: str, name: str, content: Meter, stored: Meter, compressor: str | None = None) -> StoredFile:
    """Describe a stored file by what went into our compression and what came out of it."""
    return StoredFile.model_validate(
        {
            "role": role,
            "name": name,
            "size": stored.size,
            "sha256": stored.hexdigest,
            "content_digest": content.digest,
            "content_size": content.size,
            "compressor": compressor,
            "packed_by": "vmbackup" if compressor else None,
        }
    )


def folder_of(pool: Pool, vm: VM, started: datetime, run_id: str) -> str:
    """Return the folder of a backup: below its pool's and its VM's, named by the time in UTC and the run."""
    moment = f"{started:%Y%m%dT%H%M%SZ}-{run_id[:4]}"
    return f"{folder_name(pool.name, pool.uuid)}/{folder_name(vm.name, vm.uuid)}/{moment}"
