from pathlib import Path

import pytest

from vmbackup.cli.options import duration_in_seconds, open_site, percent
from vmbackup.errors import ConfigError


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), (" 0.5 % ", 0.005), ("100%", 1), ("1%", 0.01)])
def test_a_share(text: str, share: float) -> None:
    assert percent(text) == share


@pytest.mark.parametrize("text", ["", "%", "5", "0%", "0.0%", "100.1%", "101%", "-5%", "5%%", "1e2%", "nan%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ConfigError, match="no share"):
        percent(text)


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h 30m", 5400), ("1s", 1)])
def test_a_duration(text: str, seconds: float) -> None:
    assert duration_in_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 hours", "-2h", "0s", "2h later"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match="no duration"):
        duration_in_seconds(text)


def test_a_command_finds_the_plugins_that_its_configuration_wants(tmp_path: Path) -> None:
    config = tmp_path / "vmbackup.toml"
    config.write_text('[pool]\nurl = "https://xen1"\nusername = "root"\npassword = { env = "P" }\n')
    config.chmod(0o600)
    assert ("target", "nfs") in open_site(config).registry.plugins
    with config.open("a") as file:
        file.write('[plugins]\ndisabled = ["nfs"]\n')
    assert ("target", "nfs") not in open_site(config).registry.plugins
