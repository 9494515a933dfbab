"""The compressors that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_compressors.gzip import Gzip
from vmbackup_compressors.none import Uncompressed
from vmbackup_compressors.zstd.compressor import Zstd


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `none`, `gzip` and `zstd`."""
    return (Uncompressed, Gzip, Zstd)
