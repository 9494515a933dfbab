"""Everything that vmbackup raises on purpose, and the exit code that each becomes.

    VmbackupError                    1   never raised itself
    ├── ConfigError                  2   the configuration or the command line is wrong
    │   ├── PluginError              2   a plugin that is named is missing, or did not load
    │   └── PlanError                2   the job cannot be resolved against the pool
    ├── BackupError                  4   one VM's backup failed (3 when others succeeded)
    │   ├── PoolError                4   XAPI answered with an error code
    │   ├── TransferError            4   the connection to the pool broke, or its task failed
    │   │   ├── Unreachable          4   no connection could be made: nothing was sent
    │   │   └── Stalled              4   a transfer stood still for too long
    │   ├── SnapshotRefused          4   the SR should not have to bear one more snapshot
    │   ├── TimeUp                   4   the time that `max-duration` gives is up
    │   ├── HookFailed               4   a command of the site's own failed before a snapshot
    │   ├── ImageError               4   the bytes are not a whole image
    │   └── TargetError              4   the target could not do what was asked
    │       ├── KeyRefused           4   the key is not one that a target takes
    │       ├── KeyExists            4   something is stored under the key already
    │       ├── KeyMissing           4   nothing is stored under the key
    │       ├── TargetLost           4   the connection to the target broke
    │       └── TargetStalled        4   nothing moves on the target any more
    ├── RestoreError                 4   a backup could not be brought back
    ├── TargetNotProven             10   the target is not the one that the configuration names
    ├── LockHeld                    11   another run of the job is under way
    ├── LoginRefused                12   the pool refused the credentials
    │   └── Untrusted               12   the pool's certificate is not the trusted one
    ├── NotifyError                  1   a report could not be delivered to somebody
    ├── VerificationFailed          13   a stored backup is not what its manifest says
    ├── VerificationUnread          15   a stored backup could not be read, and may be none the worse
    └── NoRun                       17   no run is under way that could be watched, or it died

`Interrupted` stands outside the tree: it is a signal on its way out, and no `except VmbackupError` may stop it.
"""

from collections.abc import Sequence
from typing import ClassVar


class VmbackupError(Exception):
    """A failure that the user can understand and act on: shown as one message, without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        """`message` says what happened and where, `advice` what to do about it."""
        super().__init__(message)
        self.message = message
        self.advice = advice

    @property
    def code(self) -> str:
        """A short name for machines: XAPI's error code where there is one, else the class."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message}\n  {self.advice}" if self.advice else self.message


class ConfigError(VmbackupError):
    """The configuration or the command line is wrong; nothing has been done."""

    exit_code = 2


class PluginError(ConfigError):
    """A plugin that the configuration names is missing, did not load, or was given settings it does not take."""


class PlanError(ConfigError):
    """The job cannot be resolved against the pool's inventory."""


class BackupError(VmbackupError):
    """One VM's backup failed; the other VMs go on."""

    exit_code = 4


class PoolError(BackupError):
    """XAPI answered a call or a task with an error code."""

    def __init__(self, message: str, *, xapi_code: str, parameters: Sequence[str] = (), advice: str = "") -> None:
        """`xapi_code` and `parameters` as XAPI sent them (xapi: api_errors.ml)."""
        super().__init__(message, advice=advice)
        self.xapi_code = xapi_code
        self.parameters = tuple(parameters)

    @property
    def code(self) -> str:
        """XAPI's own error code."""
        return self.xapi_code


class TransferError(BackupError):
    """The connection to the pool broke, or the pool says that a transfer did not succeed."""


class Unreachable(TransferError):
    """No connection to the pool could be made, so that nothing was sent and nothing has taken effect."""


class Stalled(TransferError):
    """A transfer stood still for too long: no bytes, and no progress of the pool's task."""


class SnapshotRefused(BackupError):
    """The SR has too little room or too long a chain for one more snapshot; none was asked for."""


class TimeUp(BackupError):
    """The time that `max-duration` gives a job or a VM is up."""


class HookFailed(BackupError):
    """A command of the site's own failed, was missing, or took too long."""


class ImageError(BackupError):
    """The bytes are not a whole image."""

    def __init__(self, message: str, *, position: int, advice: str = "") -> None:
        """`position` is the offset, in bytes of the (decompressed) stream, at which this was found."""
        super().__init__(f"{message} (at byte {position:,} of the image)", advice=advice)
        self.position = position


class TargetError(BackupError):
    """The target could not do what was asked: full, gone, read-only, refused."""


class KeyRefused(TargetError):
    """The key is not one that a target takes."""


class KeyExists(TargetError):
    """Something is stored under the key already; it stays as it is."""


class KeyMissing(TargetError):
    """Nothing is stored under the key."""


class TargetLost(TargetError):
    """The connection to the target broke; it may be there again at the next attempt, which exports the VM again."""


class TargetStalled(TargetError):
    """Nothing moves on the target any more: it is left behind, and the others go on."""


class RestoreError(VmbackupError):
    """A backup could not be brought back, into the pool or into a file; what had been made is gone again."""

    exit_code = 4


class TargetNotProven(VmbackupError):
    """The target does not prove to be the one that the configuration names; nothing was written to it."""

    exit_code = 10


class LockHeld(VmbackupError):
    """Another run of the same job is under way."""

    exit_code = 11


class LoginRefused(VmbackupError):
    """The pool refused the credentials."""

    exit_code = 12


class Untrusted(LoginRefused):
    """The pool's certificate is not the one that is trusted."""


class NotifyError(VmbackupError):
    """A report did not reach everybody whom it should: not sent, or not written. The run itself is none the worse."""

    def __init__(self, message: str, *, advice: str = "", told: Sequence[str] = ()) -> None:
        """`told` are those whom a notifier has reached all the same, in its own words: they are not told again."""
        super().__init__(message, advice=advice)
        self.told = tuple(told)


class VerificationFailed(VmbackupError):
    """A stored backup is not what its manifest says."""

    exit_code = 13


class VerificationUnread(VmbackupError):
    """A stored backup could not be read, so that nothing is known of it; none that could be read is wrong."""

    exit_code = 15


class NoRun(VmbackupError):
    """No run is under way that could be watched, or the one that was has ended without a word."""

    exit_code = 17


class Interrupted(BaseException):
    """SIGINT or SIGTERM has arrived: clean up and end with 128 + `signal_number`."""

    def __init__(self, signal_number: int) -> None:
        """`signal_number` as the operating system counts them (2: SIGINT, 15: SIGTERM)."""
        super().__init__(signal_number)
        self.signal_number = signal_number
