"""A whole VM: the stored XVA goes to `/import` as it is, and the pool does the rest."""

import re

from vmbackup.errors import BackupError, RestoreError
from vmbackup.restore.ends import Destination, Source, Wishes
from vmbackup.xapi.marks import remove_marks
from vmbackup.xapi.transfers import Request, upload
from vmbackup.xapi.wire import text


def restore_whole_vm(source: Source, destination: Destination, wishes: Wishes) -> str:
    """Import the image and return the reference of the VM. The pool itself unmakes an import that fails.

    `preserve` is XAPI's `restore=true`: MAC addresses and the archive's UUID, that of the snapshot, stay
    (xapi: import.ml).
    """
    session, backup = destination.session, source.backup
    query = {"sr_id": destination.sr, **({"restore": "true"} if wishes.preserve else {})}
    request = Request("/import", query, f"import of {backup.address}")
    result = upload(
        session,
        destination.journal,
        request,
        source.pieces(wishes),
        source.image.content_size,
        address=destination.address,
    )
    refs = re.findall(r"OpaqueRef:[0-9A-Za-z-]+", result)
    if len(refs) != 1:
        raise RestoreError(f"{request.doing}: the pool says that it made {len(refs)} VMs")
    ref = str(refs[0])
    try:
        remove_marks(session, ref)
        if wishes.name:
            session.call("VM.set_name_label", ref, wishes.name)
    except BackupError as error:
        uuid = text(session.record("VM", ref), "uuid")
        raise RestoreError(
            f"the VM {uuid} is restored and stays, but could not be named and cleared of marks: {error.message}",
            advice=error.advice,
        ) from error
    return ref
