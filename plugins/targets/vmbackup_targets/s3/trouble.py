"""What went wrong between us and the server, in words that say what to do about it."""

from types import TracebackType
from typing import Final

from vmbackup import KeyExists, KeyMissing, TargetError, TargetLost

_KEYS: Final = "Check access-key and secret-key of this target, and that the user still exists."
_RIGHTS: Final = (
    "The user needs s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject, "
    "s3:AbortMultipartUpload and s3:ListMultipartUploadParts here; in a bucket with versions also "
    "s3:DeleteObjectVersion, with `retain` also s3:PutObjectRetention and s3:GetObjectRetention: see docs/s3.md."
)
_REGION: Final = "Set `region` (and `endpoint`) to where the bucket is."
_ROOM: Final = "The quota of this user or bucket is used up: remove old backups, or have it raised."
_SETTING: Final = (
    "The server takes one of these settings not: `storage-class`, `encryption`, `retain`, `checksum` are as it likes?"
)
_AGAIN: Final = "Look at the server and the network between, and run the job again: the next operation connects anew."
_ADVICE: Final = {
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "NoSuchBucket": "The bucket of a target is never made: make it, or correct `bucket` or `region`.",
    "AccessDenied": _RIGHTS,
    "403": f"{_KEYS} {_RIGHTS}",
    "RequestTimeTooSkewed": "The clock of this machine and that of the server differ: set them by NTP.",
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "QuotaExceeded": _ROOM,
    "InvalidStorageClass": _SETTING,
    "InvalidArgument": _SETTING,
    "InvalidRequest": _SETTING,
    "InvalidObjectState": "It lies in an archive: have it restored there first, and give backups another class.",
    "EntityTooLarge": "The server takes no file of this size.",
    "MethodNotAllowed": "The server does not know this operation; is `endpoint` that of S3?",
    "NotImplemented": "The server does not know this operation; is `endpoint` that of S3?",
}
# What passes by itself: the server is restarting, or has too much to do.
_PASSING: Final = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "XMinioServerNotReady"}
)
_SERVERS_FAULT: Final = 500
_NEVER: Final = 501  # Not Implemented
TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
"""What a server says that honours `If-None-Match: *`, where something is stored already, or is just being."""


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, code: str, status: int, message: str = "", advice: str = "") -> None:
        """`code` and `message` are the answer's, `status` is HTTP's; `advice` where there is better than usual."""
        super().__init__(f"{code}: {message}" if message and message != code else code)
        self.code = code
        self.status = status
        self.advice = advice or _ADVICE.get(code, "")

    @property
    def passing(self) -> bool:
        """Whether the same may succeed in a while."""
        return self.code in _PASSING or (self.status >= _SERVERS_FAULT and self.status != _NEVER)


class Lost(Exception):
    """There was no answer: no connection, one that broke, or none in time. The outcome is unknown."""


class Unusable(Exception):
    """What was answered is not to be believed, or the connection cannot be had as it is set up."""

    def __init__(self, message: str, advice: str = "") -> None:
        """`message` says what is wrong, `advice` what to do."""
        super().__init__(message)
        self.advice = advice


class Taken(Exception):
    """Something is stored under the key already."""


class Missing(Exception):
    """Nothing is stored under the key."""


class Explained:
    """A context that turns all of the above into a TargetError that names key, place and cause, and what to do.

    It may be entered any number of times.
    """

    def __init__(self, label: str, doing: str, key: str, place: str) -> None:
        """Of the target `label`: what could not be done to `key`, such as "stored", at `place` (s3://bucket/…)."""
        self._what = f"target {label}: {key or 'the bucket'} could not be {doing}"
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if isinstance(error, Taken):
            raise KeyExists(f"{self._what}: something lies at {self._place} already, and stays as it is") from error
        if isinstance(error, Missing):
            raise KeyMissing(f"{self._what}: nothing is stored under it ({self._place})") from error
        told = f"{self._what}: {error} ({self._place})"
        if isinstance(error, Refused):
            trouble = TargetLost if error.passing else TargetError
            raise trouble(told, advice=error.advice or (_AGAIN if error.passing else "")) from error
        if isinstance(error, Lost):
            raise TargetLost(told, advice=_AGAIN) from error
        if isinstance(error, Unusable):
            raise TargetError(told, advice=error.advice) from error
