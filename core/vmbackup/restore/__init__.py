"""Bringing a backup back into a pool: a whole VM by `/import`, one disk by `/import_raw_vdi`.

A restore depends on the manifest alone, never on today's configuration of jobs. What it makes is journaled, bears a
mark until it is whole, and is gone again if it fails; a restored VM bears no mark of ours.
"""

from vmbackup.errors import ConfigError, PoolError, RestoreError, VerificationFailed, VerificationUnread
from vmbackup.restore.disk import restore_disk
from vmbackup.restore.ends import Destination, Restored, Source, Wishes
from vmbackup.restore.whole_vm import restore_whole_vm
from vmbackup.verify import verify
from vmbackup.xapi.inventory import read_vm, tables_of
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import NULL, text

__all__ = ["Destination", "Restored", "Source", "Wishes", "find_sr", "restore"]


def restore(source: Source, destination: Destination, wishes: Wishes) -> Restored:
    """Bring a backup back.

    Raises VerificationFailed or VerificationUnread before the first byte goes to the pool; RestoreError, PoolError or
    TransferError where the pool does not take it, with nothing of it left there; RestoreError, too, for a VM that stays
    but does not start.
    """
    backup = source.backup
    if backup.manifest.image is None:
        raise RestoreError(
            f"{backup.address} is a dump of the pool database, which never goes into a running pool by itself",
            advice="Take the file and try: xe pool-restore-database file-name=… dry-run=true",
        )
    if not wishes.force:
        verdict = verify(backup, source.repository, source.registry, source.tell)
        wrong = "; ".join(f"{wrong.file}: {wrong.message}" for wrong in verdict.wrong)
        if verdict.word == "unread":
            raise VerificationUnread(
                f"{backup.address} could not be read, and nothing was restored: {wrong}",
                advice="It may be none the worse: see to the target, and try again.",
            )
        if not verdict.good:
            raise VerificationFailed(
                f"{backup.address} is not whole, and nothing was restored: {wrong}",
                advice="Restore another backup of this VM; --force sends this one as it is.",
            )
    whole = backup.manifest.image.format == "xva"
    session = destination.session
    ref = restore_whole_vm(source, destination, wishes) if whole else restore_disk(source, destination, wishes)
    record = session.record("VM", ref)
    vm = read_vm(ref, record, tables_of(session, record))
    if wishes.start:
        try:
            session.call("VM.start", ref, False, False)  # noqa: FBT003 - the call's own parameters
        except PoolError as error:
            raise RestoreError(
                f"{vm.name} ({vm.uuid}) is restored and stays, but does not start: {error.message}", advice=error.advice
            ) from error
    return Restored(vm.uuid, vm.name, {disk.position: disk.uuid for disk in vm.disks})


def find_sr(session: Session, default: str, wanted: str | None) -> str:
    """Return the reference of the SR called `wanted` (name or UUID), or the `default`. Raises ConfigError."""
    if wanted is None:
        if default in {"", NULL}:
            raise ConfigError("the pool has no default SR", advice="Name one with --sr NAME or --sr UUID.")
        return default
    found = [
        ref
        for ref, record in session.records("SR").items()
        if wanted in {text(record, "uuid"), text(record, "name_label")}
    ]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} SRs of the pool are called {wanted!r}", advice="Name it by its UUID.")
    return found[0]
