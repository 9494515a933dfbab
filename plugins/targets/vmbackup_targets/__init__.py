"""The targets that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_targets.local import Local
from vmbackup_targets.nfs.target import Nfs


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `local` and `nfs`."""
    return (Local, Nfs)
