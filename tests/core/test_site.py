"""A configuration with its plugins: every problem at once, and no secret in a file that others may read."""

import os
from pathlib import Path

import pytest

from vmbackup.config_file import load
from vmbackup.errors import ConfigError
from vmbackup.registry import Registry
from vmbackup.site import Site

HEAD = """
[pool]
url = "https://xen1.example.edu"
username = "root"
password = { env = "POOL_PASSWORD" }
[targets.disk]
type = "local"
path = "/mnt/backups"
[jobs.nightly]
targets = ["disk"]
keep = { last = 2 }
vms = [{ match = "*" }]
"""
MAIL = """notify = ["ops"]
[notifiers.ops]
type = "email"
host = "smtp.example.edu"
username = "vmbackup"
password = "canary"
from = "a@example.edu"
to = ["b@example.edu"]
"""


def site(tmp_path: Path, text: str, mode: int = 0o600) -> Site:
    path = tmp_path / "vmbackup.toml"
    path.write_text(text)
    path.chmod(mode)
    return Site(load(path), Registry.installed())


def test_a_job_comes_with_its_plugins(tmp_path: Path) -> None:
    parts = site(tmp_path, HEAD + 'compress = { with = "zstd", level = 5 }\n' + MAIL).job("nightly")
    assert list(parts.methods) == ["vm-export"]
    assert parts.repositories[0].target.label == "disk"
    assert parts.packing.compressor is not None
    assert parts.packing.compressor.settings.level == 5  # type: ignore[attr-defined]
    assert [notifier.label for notifier, _ in parts.notifiers] == ["ops"]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = HEAD.replace('["disk"]', '["nas"]') + 'notify = ["nobody"]\nmethod = "vm-exprt"\n'
    with pytest.raises(ConfigError) as caught:
        site(tmp_path, text + 'compress = { with = "zst" }\n').job("nightly")
    for word in ("'nas'", "'nobody'", "did you mean 'vm-export'", "did you mean 'zstd'"):
        assert word in caught.value.message


@pytest.mark.parametrize("compress", ['{ with = "zstd", when = "host", level = 9 }', '{ with = "none", level = 9 }'])
def test_settings_that_nobody_takes_are_refused(tmp_path: Path, compress: str) -> None:
    with pytest.raises(ConfigError, match="level"):
        site(tmp_path, HEAD + f"compress = {compress}\n").job("nightly")


def test_a_plugins_secret_in_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    open_site = site(tmp_path, HEAD + MAIL.replace("password", '"password"'), 0o600)
    assert open_site.job("nightly").notifiers
    with pytest.raises(ConfigError, match="others than its owner may read it") as caught:
        site(tmp_path, HEAD + MAIL, 0o644).job("nightly")
    assert "canary" not in str(caught.value)


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vmbackup.toml"
    path.write_text(HEAD)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
        with pytest.raises(ConfigError, match="belongs to another user"):
            load(path)
    else:
        assert load(path).config.jobs, "nobody but root can give a file away"
