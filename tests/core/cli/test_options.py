import pytest

from vmbackup.cli.options import duration_in_seconds, percent
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
