import pytest
from tests.core.nau.readings import reading

from vmbackup.errors import ConfigError
from vmbackup.nau.reading import Dialect


@pytest.mark.parametrize(
    "lines",
    [
        "vm-export=*",
        "vm-export=PROD*",
        "vm-export=DEV-RH*:3",
        "vdi-export=my vm*",
        "vm-export=web_*",
        'vm-export="my vm*"',
        "vm-export=a.b ; vm-export=PROD*",
        "vm-export=web.lan*",
    ],
)
def test_a_trailing_star_alone_is_3_0_s(lines: str) -> None:
    found = reading(lines, None)
    assert found.dialect is Dialect.V3_0
    assert "read as NAU VMbackup 3.0: its wildcards end in *" in found.notes[0].text
    assert found.notes[0].number == 0


@pytest.mark.parametrize(
    "lines",
    [
        "vm-export=PROD.*",
        "vm-export=web$",
        "vm-export=^web",
        "vm-export=[ab]c",
        "vm-export=(a|b)",
        "vm-export=a|b",
        r"vm-export=web\.lan",
        "vm-export=a+",
        "vm-export=a{2}",
        "vm-export=ab?",
        "vm-export=a ; status_log=/x",
        "vm-export=a ; exclude=b.*",
        "vm-export=a ; exclude=b*",
        "vm-export=a",
        "vm-export=a.b",
    ],
)
def test_all_else_is_3_25_s_and_nothing_is_said_of_it(lines: str) -> None:
    found = reading(lines, None)
    assert found.dialect is Dialect.V3_25
    assert [note for note in found.notes if note.number == 0] == []


@pytest.mark.parametrize(
    "other", ["vm-export=DEV.*", "status_log=/var/log/x", "exclude=DEV.*", "exclude=DEV*", "vm-export=a$"]
)
def test_signs_of_both_are_shown_in_both_readings_and_refused(other: str) -> None:
    lines = f"vm-export=web ; vm-export=PROD* ; {other}"
    with pytest.raises(ConfigError) as raised:
        reading(lines, None)
    message = raised.value.message
    assert "signs of NAU VMbackup 3.0 (line 2) and of a later one (line 3)" in message
    assert "weekend.cfg:2: vm-export=PROD*: in 3.0 VMs whose names begin with 'PROD'; in 3.25 VMs whose" in message
    assert "weekend.cfg:1" not in message, "a name is a name in both"
    assert raised.value.advice == "Say which is meant with --dialect 3.0 or --dialect 3.25."
    for dialect in Dialect:
        assert reading(lines, dialect).dialect is dialect
