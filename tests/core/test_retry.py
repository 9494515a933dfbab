"""What may pass by itself is tried again; what will not is told at once."""

import pytest

from vmbackup.results import Failure
from vmbackup.retry import may_pass


@pytest.mark.parametrize(
    "code", ["OTHER_OPERATION_IN_PROGRESS", "VDI_IN_USE", "SR_BACKEND_FAILURE_46", "TransferError"]
)
def test_what_may_pass(code: str) -> None:
    assert may_pass(Failure("export", code, ""))


@pytest.mark.parametrize(
    ("step", "code"),
    [
        *[("snapshot", code) for code in ("VM_HAS_VUSBS", "SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_109")],
        *[("snapshot", code) for code in ("RBAC_PERMISSION_DENIED", "OPERATION_BLOCKED", "LoginRefused", "Untrusted")],
        *[("export", code) for code in ("Stalled", "TimeUp", "TASK_CANCELLED", "KeyError")],
        *[("store", "TransferError"), ("store", "TargetStalled"), ("export", "TargetLost")],
        *[("store", "TargetError"), ("begin", "TransferError"), ("publish", "TransferError")],
    ],
)
def test_what_does_not_pass(step: str, code: str) -> None:
    assert not may_pass(Failure(step, code, ""))


def test_a_target_that_was_lost_may_be_back() -> None:
    assert may_pass(Failure("store", "TargetLost", ""))
