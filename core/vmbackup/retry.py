"""Which failures may be gone at the next attempt. Pure."""

from vmbackup.results import Failure

# What passes by itself: somebody else is busy with the disk, the host or the storage is (xapi: api_errors.ml, sm).
TRANSIENT = frozenset(
    {
        *("OTHER_OPERATION_IN_PROGRESS", "TOO_MANY_PENDING_TASKS", "VDI_IN_USE", "HOST_OFFLINE", "HOST_NOT_LIVE"),
        *("HOST_STILL_BOOTING", "HOST_IS_SLAVE", "SESSION_INVALID", "CLIENT_ERROR"),
        *("SR_BACKEND_FAILURE_46", "SR_BACKEND_FAILURE_82", "SR_BACKEND_FAILURE_200", "SR_BACKEND_FAILURE_201"),
        *("SR_BACKEND_FAILURE_453", "TransferError", "ImageError"),
        # A halted VM, exported as it is, was started in the moment before; the next attempt takes a snapshot.
        "VM_BAD_POWER_STATE",
    }
)


def may_pass(failure: Failure) -> bool:
    """Whether trying again makes sense: the pool's cause is one that passes, or the connection to the target broke."""
    if failure.step == "store":
        return failure.code == "TargetLost"
    return failure.code in TRANSIENT and failure.step in {"snapshot", "copy", "metadata", "export"}
