"""A whole VM: by `/import`, or by its records alone where its disks are in the pool already."""

import io
import re
import tarfile
from collections.abc import Iterable, Mapping

from typing_extensions import Buffer

from vmbackup.errors import RestoreError
from vmbackup.restore.ends import Destination, Source
from vmbackup.restore.wishes import RestorePlan
from vmbackup.xapi.hosts import address_for
from vmbackup.xapi.transfers import Request, upload
from vmbackup.xapi.trust import Address
from vmbackup.xapi.wire import text

# How the result of an import names the VMs that it has made (xapi: import.ml).
_REFERENCE = r"OpaqueRef:[0-9A-Za-z-]+"


def import_image(source: Source, destination: Destination, plan: RestorePlan) -> str:
    """Send the stored image as it is, and return the reference of the VM. The pool unmakes an import that fails.

    `preserve` is XAPI's `restore=true`: MAC addresses and the archive's UUID, that of the snapshot, stay
    (xapi: import.ml).
    """
    session = destination.session
    query = {"restore": "true"} if plan.preserve else {}
    address = session.address
    if plan.disks:
        sr = plan.disks[0].storage.ref
        query, address = {**query, "sr_id": sr}, address_for(session, sr)
    pieces, size = source.pieces(force=plan.force), source.image.content_size
    return _import(destination, Request("/import", query, f"import of {source.backup.address}"), pieces, size, address)


def import_records(source: Source, destination: Destination, plan: RestorePlan, made: Mapping[str, str]) -> str:
    """Send the VM's records alone, with its disks linked to those that were `made`, and return its reference.

    `made` are references of VDIs by the UUIDs that the disks have in `ova.xml` (xapi: import.ml).
    """
    session = destination.session
    query = {f"vdi:{uuid}": text(session.record("VDI", ref), "uuid") for uuid, ref in made.items()}
    if plan.preserve:
        query["restore"] = "true"
    body = _archive(source.metadata())
    request = Request("/import_metadata", query, f"import of the records of {source.backup.address}")
    return _import(destination, request, [body], len(body), session.address)


def _import(destination: Destination, request: Request, pieces: Iterable[Buffer], size: int, address: Address) -> str:
    result = upload(
        destination.session, destination.journal, request, pieces, size, address=address, sign=destination.sign
    )
    refs = re.findall(_REFERENCE, result)
    if len(refs) != 1:
        raise RestoreError(f"{request.doing}: the pool says that it made {len(refs)} VMs")
    return str(refs[0])


def _archive(ova: bytes) -> bytes:
    """Return the tar that an export of metadata is: `ova.xml` and two blocks of zeros (xapi: export.ml)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("ova.xml")
        member.size = len(ova)
        archive.addfile(member, io.BytesIO(ova))
    return data.getvalue()
