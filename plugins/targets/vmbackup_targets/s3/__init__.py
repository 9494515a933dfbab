"""A bucket of an S3 server (AWS, Ceph, MinIO, an appliance) as a target."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_targets.s3.target import S3


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `s3`."""
    return (S3,)
