"""The mirrors that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_mirrors.copy import Copy


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `copy`."""
    return (Copy,)
