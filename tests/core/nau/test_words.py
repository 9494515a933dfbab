import pytest

from vmbackup.errors import ConfigError
from vmbackup.nau.words import Switches, parse, parse_switches


def test_two_words_by_their_places() -> None:
    found = parse(["secret", "weekend.cfg"])
    assert (found.password, found.subject, found.create, found.switches) == ("secret", "weekend.cfg", None, Switches())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["preview"], Switches(preview=True)),
        (["PREVIEW=no"], Switches(preview=True)),
        (["init"], Switches(init=True)),
        (["compress=True", "pre_clean=TRUE"], Switches(compress=True, pre_clean=True)),
        (["Compress=yes", "ignore_extra_keys=true"], Switches(ignore_extra_keys=True)),
    ],
)
def test_switches_in_either_case_and_only_true_is_on(words: list[str], expected: Switches) -> None:
    assert parse_switches(words) == expected


@pytest.mark.parametrize("name", ["/etc/nau.password", "a=b"])
def test_a_password_file_that_is_to_be_written(name: str) -> None:
    assert parse(["secret", f"Create-Password-File={name}"]).create == name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a password file and a configuration are needed"),
        (["secret"], "a password file and a configuration are needed"),
        (["secret", "create-password-file"], "needs a file"),
        (["secret", "create-password-file="], "needs a file"),
        (["secret", "a.cfg", "compress"], "compress needs a value"),
        (["secret", "a.cfg", "zip=True"], "there is no switch 'zip=True'"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_the_password(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        parse(words)
    assert raised.value.advice
    assert "secret" not in str(raised.value)
