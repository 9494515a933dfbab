"""XAPI's error codes in words: what each means for a backup, and what to do (codes: xapi: api_errors.ml)."""

from collections.abc import Sequence

from vmbackup.errors import LoginRefused, PoolError, VmbackupError

ADVICE = {
    "HOST_IS_SLAVE": "This host is a member: set pool.url to the coordinator, {0}.",
    "HOST_OFFLINE": "A host that is needed is down; bring it back or evacuate it.",
    "HOST_STILL_BOOTING": "The host is starting; try again in a few minutes.",
    "RBAC_PERMISSION_DENIED": "The user of pool.username lacks {0}; docs/configuration.md tells the role.",
    "HANDLE_INVALID": "The {0} has gone from the pool meanwhile.",
    "UUID_INVALID": "The {0} {1} is not in the pool any more.",
    "HOST_HAS_NO_MANAGEMENT_IP": "The host has lost its management network; look at its console.",
    "HOST_UNKNOWN_TO_MASTER": "The host is no member of its pool any more; set pool.url to the coordinator.",
    "HOST_MASTER_CANNOT_TALK_BACK": "The coordinator cannot reach this host; set pool.url to the coordinator.",
    "MESSAGE_METHOD_UNKNOWN": "This pool is too old for the call {0}.",
    "LICENCE_RESTRICTION": "The pool's licence does not allow {0}.",
    "OPERATION_BLOCKED": "Somebody has blocked this operation on the VM: {1}",
    "OTHER_OPERATION_IN_PROGRESS": "The {0} is busy with {2}; look at the pool's tasks and try again.",
    "TOO_MANY_PENDING_TASKS": "The pool is overloaded; run fewer operations at once.",
    "TASK_CANCELLED": "Somebody has cancelled the task in the pool.",
    "NOT_SUPPORTED_DURING_UPGRADE": "A rolling pool upgrade is under way; try again when it is over.",
    "NO_HOSTS_AVAILABLE": "No running host sees all storage of the VM; look for an inserted ISO or unplugged SRs.",
    "VM_BAD_POWER_STATE": "The VM is {2}, it would have to be {1}.",
    "VM_HAS_VUSBS": "A VM with a USB device passed through cannot be snapshotted; detach it.",
    "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION": "A disk is reset at boot (on-boot=reset): no snapshots.",
    "VDI_IN_USE": "The disk is attached elsewhere; look for a VBD of the control domain.",
    "VDI_IO_ERROR": "The storage could not be read or written; look at the SR and at dom0's SMlog.",
    "VDI_NOT_MANAGED": "The disk is a base copy of the storage manager and not for use.",
    "VDI_MISSING": "The storage has lost the disk; scan the SR.",
    "VDI_TOO_LARGE": "A VHD ends at 2040 GiB; export the disk raw.",
    "SR_FULL": "The SR has no room for the snapshot; free space there.",
    "SR_HAS_NO_PBDS": "The SR is not plugged on any host.",
    "SR_OPERATION_NOT_SUPPORTED": "This kind of SR cannot do that; such disks have no snapshots.",
    "SR_BACKEND_FAILURE_44": "The SR has no room for the snapshot; thick SRs need the whole size of the disk.",
    "SR_BACKEND_FAILURE_46": "The disk is locked or its storage is away; look at dom0's SMlog.",
    "SR_BACKEND_FAILURE_82": "The storage could not snapshot the disk; look at dom0's SMlog.",
    "SR_BACKEND_FAILURE_109": "The chain of snapshots is too long; delete old ones, let the SR coalesce.",
    "SR_BACKEND_FAILURE_453": "A tapdisk process failed; look at dom0's memory and its SMlog.",
    "DEFAULT_SR_NOT_FOUND": "The pool has no default SR; name one with --sr.",
    "DUPLICATE_VM": "A VM with that UUID is in the pool; restore without --preserve, or remove it first.",
    "DUPLICATE_MAC_SEED": "The original VM is still in the pool; restore without --preserve, or remove it first.",
    "IMPORT_ERROR_PREMATURE_EOF": "The pool found the image too short.",
    "IMPORT_ERROR_SOME_CHECKSUMS_FAILED": "The pool found wrong checksums in the image.",
    "IMPORT_INCOMPATIBLE_VERSION": "The image comes from a newer pool than this one.",
    "CLIENT_ERROR": "The connection broke while the pool was sending or reading.",
}


def pool_error(doing: str, details: Sequence[str]) -> VmbackupError:
    """Return XAPI's error `details` (its code, then parameters) as ours; `doing` says what was being done."""
    code, parameters = (details[0], tuple(details[1:])) if details else ("INTERNAL_ERROR", ())
    said = ", ".join(parameter for parameter in parameters if parameter)
    if code in {"SESSION_AUTHENTICATION_FAILED", "SESSION_AUTHORIZATION_FAILED"}:
        return LoginRefused(
            f"the pool refuses the login of {parameters[0]!r}" if parameters else "the pool refuses the login",
            advice="Check pool.username and pool.password; an AD user also needs a role in the pool.",
        )
    return PoolError(
        f"{doing}: {code}" + (f" ({said})" if said else ""),
        xapi_code=code,
        parameters=parameters,
        advice=_fill(
            ADVICE.get(code, "Look at the pool's own log: /var/log/xensource.log on the coordinator."), parameters
        ),
    )


def _fill(advice: str, parameters: Sequence[str]) -> str:
    """Put parameters into their places; old versions of XAPI send fewer than they declare."""
    return advice.format(*parameters, *("?",) * 4)
