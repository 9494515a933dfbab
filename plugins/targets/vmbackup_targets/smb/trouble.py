"""What went wrong between us and the server, in words that say what to do about it."""

from types import TracebackType
from typing import Final

from vmbackup import KeyExists, TargetError, TargetLost
from vmbackup_targets.smb.status import Status, name_of

_LOGIN: Final = (
    "Check username, password and domain of this target; `smbclient -L SERVER -U USER` asks the same server."
)
_ROOM: Final = "The share is full: remove old backups, or give it more room."
_QUOTA: Final = "The quota of this user is used up: remove old backups, or have the quota raised."
_BUSY: Final = "The server is short of memory or open files: run fewer VMs at once, or look at its log."
_LINK: Final = "Links are never followed. Move it away, or correct `folder`."
_AGAIN: Final = "Look at the server and the network between, and run the job again: the next operation connects anew."
_ADVICE: Final = {
    Status.LOGON_FAILURE: _LOGIN,
    Status.ACCOUNT_RESTRICTION: "The account may not log in like this: an empty password, or a rule for its hours.",
    Status.LOGON_TYPE_NOT_GRANTED: "The account may not log in over the network: see the server's security policy.",
    Status.PASSWORD_EXPIRED: "The password has expired: set a new one on the server, and in the configuration.",
    Status.PASSWORD_MUST_CHANGE: "The password must be changed: set a new one, and put it into the configuration.",
    Status.ACCOUNT_DISABLED: "The account is disabled on the server.",
    Status.ACCOUNT_LOCKED_OUT: "Too many wrong passwords have locked the account: correct the password, and unlock it.",
    Status.NO_LOGON_SERVERS: "The server cannot reach its domain controller.",
    Status.BAD_NETWORK_NAME: "The server has no share of this name: `smbclient -L SERVER -U USER` lists those it has.",
    Status.ACCESS_DENIED: "This user needs to read, write and delete there: look at the rights of the share and of the "
    "folder. A share may also be read-only.",
    Status.MEDIA_WRITE_PROTECTED: "The share lies on something that is read-only.",
    Status.DISK_FULL: _ROOM,
    Status.QUOTA_EXCEEDED: _QUOTA,
    Status.DISK_QUOTA_EXCEEDED: _QUOTA,
    Status.FILE_TOO_LARGE: "The server's file system takes no file of this size: FAT32 ends at 4 GiB.",
    Status.OBJECT_NAME_NOT_FOUND: "Does it exist? The folder of a target is never made.",
    Status.OBJECT_PATH_NOT_FOUND: "Does it exist? The folder of a target is never made.",
    Status.NOT_A_DIRECTORY: "A file stands in the place of a folder. Move it away, or correct `folder`.",
    Status.STOPPED_ON_SYMLINK: _LINK,
    Status.SHARING_VIOLATION: "Somebody has this file open: another run, a virus scanner, or a client that died and "
    "that the server has not missed yet.",
    Status.DELETE_PENDING: "The server removes it as soon as the last client closes it.",
    Status.PATH_NOT_COVERED: "This is a DFS namespace: give the server and the share that it leads to.",
    Status.IO_DEVICE_ERROR: "The server's disk reports an error: see its log before you trust it any further.",
    Status.INSUFFICIENT_RESOURCES: _BUSY,
    Status.INSUFF_SERVER_RESOURCES: _BUSY,
    Status.TOO_MANY_OPENED_FILES: _BUSY,
    Status.FILE_CLOSED: "The server has closed this file by itself. Run the job again.",
}


class Refused(Exception):
    """The server answered a request with an error; the session goes on."""

    def __init__(self, status: int) -> None:
        """`status` is the NTSTATUS of the answer."""
        super().__init__(name_of(status))
        self.status = status


class Lost(Exception):
    """There is no session, or it is of no use any more; what was under way has failed, and its outcome is unknown."""

    def __init__(self, message: str, advice: str = _AGAIN) -> None:
        """`message` says what happened, `advice` what to do."""
        super().__init__(message)
        self.advice = advice


class Explained:
    """A context that turns Refused and Lost into a TargetError that names key, place and cause, and what to do.

    A name that is taken becomes KeyExists. It may be entered any number of times.
    """

    def __init__(self, label: str, doing: str, key: str, place: str) -> None:
        r"""Of the target `label`: what could not be done to `key`, such as "stored", at `place` (\\server\share\…)."""
        self._what = f"target {label}: {key or 'the folder'} could not be {doing}"
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if isinstance(error, Refused):
            if error.status == Status.OBJECT_NAME_COLLISION:
                raise KeyExists(f"{self._what}: something lies at {self._place} already, and stays as it is") from error
            advice = _ADVICE.get(Status(error.status), "") if error.status in _KNOWN else ""
            raise TargetError(f"{self._what}: {error} ({self._place})", advice=advice) from error
        if isinstance(error, Lost):
            raise TargetLost(f"{self._what}: {error} ({self._place})", advice=error.advice) from error


_KNOWN: Final = frozenset(int(status) for status in Status)
PARTED: Final = frozenset({Status.USER_SESSION_DELETED, Status.NETWORK_NAME_DELETED, Status.NETWORK_SESSION_EXPIRED})
"""What a server says when the session itself is over."""
