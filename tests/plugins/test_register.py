import pytest

from vmbackup.registry import Registry

BUNDLED = [
    ("target", "local"),
    ("target", "nfs"),
    ("target", "smb"),
    ("target", "s3"),
    ("compressor", "none"),
    ("compressor", "gzip"),
    ("compressor", "zstd"),
    ("mirror", "copy"),
    ("mirror", "rclone"),
    ("mirror", "rsync"),
    ("mirror", "sftp"),
    ("notifier", "chat"),
    ("notifier", "email"),
    ("notifier", "ping"),
    ("notifier", "webhook"),
    ("reporter", "html"),
    ("reporter", "json"),
    ("reporter", "prometheus"),
    ("reporter", "status-log"),
    ("reporter", "text"),
]


@pytest.mark.parametrize(("kind", "name"), BUNDLED)
def test_the_bundled_plugins_come_in_by_the_same_door(kind: str, name: str) -> None:
    registry = Registry.installed()
    assert registry.failures == []
    registered = registry.plugins[kind, name]
    assert registered.distribution == "vmbackup"
    assert registered.summary.endswith(".")
