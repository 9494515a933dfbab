"""What asyncssh raises, as what a mirror raises."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh

from vmbackup import TargetError, TargetLost

_FULL = "Is there room, and no quota in the way? An SFTP server does not say more."
_MOVED = "Ask the host's administrator whether its key has changed, and only then write the new one down."


@contextmanager
def explained(label: str, doing: str) -> Iterator[None]:
    """Raise TargetError, or TargetLost where the connection broke, for what goes wrong; `doing` says what was to be."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise TargetError(
            f"mirror {label}: the host's key is not the known one ({error.reason})", advice=_MOVED
        ) from error
    except asyncssh.PermissionDenied as error:
        raise TargetError(f"mirror {label}: the host does not let us in ({error.reason})") from error
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise TargetLost(f"mirror {label}: {doing}: the connection broke ({error.reason})") from error
    except asyncssh.SFTPFailure as error:
        raise TargetError(f"mirror {label}: {doing}: the server says {error.reason!r}", advice=_FULL) from error
    except asyncssh.SFTPError as error:
        raise TargetError(f"mirror {label}: {doing}: the server says {error.reason!r}") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise TargetError(f"mirror {label}: the key of `identity` cannot be used: {error}") from error
    except TimeoutError as error:
        raise TargetLost(f"mirror {label}: {doing}: the server gives no answer in time") from error
    except (asyncssh.Error, OSError) as error:
        raise TargetLost(f"mirror {label}: {doing}: {error}") from error
