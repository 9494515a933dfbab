"""The mirrors that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_mirrors.copy import Copy
from vmbackup_mirrors.rclone import Rclone
from vmbackup_mirrors.rsync import Rsync
from vmbackup_mirrors.sftp import Sftp


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `copy`, `rclone`, `rsync` and `sftp`."""
    return (Copy, Rclone, Rsync, Sftp)
