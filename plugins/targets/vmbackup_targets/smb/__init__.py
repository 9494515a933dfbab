"""A share of an SMB server (Windows, Samba, a NAS) as a target: no mount, no root."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_targets.smb.target import Smb


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `smb`."""
    return (Smb,)
