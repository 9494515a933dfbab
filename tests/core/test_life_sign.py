import pytest

from vmbackup.errors import ConfigError
from vmbackup.life_sign import LifeSign


@pytest.mark.parametrize(
    ("text", "port", "seconds"),
    [("agent", None, None), ("port:22", 22, None), ("90s", None, 90), ("2m", None, 120), ("1h", None, 3600)],
)
def test_the_three_signs(text: str, port: int | None, seconds: float | None) -> None:
    assert LifeSign.parse(text) == LifeSign(text, port, seconds)


@pytest.mark.parametrize("text", ["", "port", "port:0", "port:65536", "port:x", "90", "s", "-1s", "agent "])
def test_what_is_no_sign_is_told_with_what_is(text: str) -> None:
    with pytest.raises(ConfigError, match="is no sign of life") as told:
        LifeSign.parse(text)
    assert told.value.advice == "Write agent, port:22, or a time such as 90s."
