import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_targets.smb.names import key_of, path, shown

PART = st.from_regex(r"[A-Za-z0-9_+=-]([A-Za-z0-9._+=-]{0,8}[A-Za-z0-9_+=-])?", fullmatch=True)
DEVICES = st.sampled_from(["con", "PRN", "aux.json", "NUL.", "com1", "lpt9.tar.zst", "nul.txt"])


@given(PART | DEVICES.filter(lambda name: not name.endswith(".")), st.sampled_from(["", "pool", "pool/con"]))
def test_every_part_of_a_key_is_found_again_by_its_name(part: str, prefix: str) -> None:
    assert key_of(prefix, shown(part)) == (f"{prefix}/{part}" if prefix else part)


@pytest.mark.parametrize("part", ["con", "CON", "Aux.json", "nul.tar.zst", "com0", "LPT9", "prn"])
def test_no_file_is_called_like_a_device(part: str) -> None:
    assert shown(part) == f"%{part}"
    assert key_of("", part) is None, "a stranger's, if there is one"


@pytest.mark.parametrize("part", ["console", "com", "com10", "auxiliary.json", "image.con", "lpt"])
def test_what_only_resembles_a_device_keeps_its_name(part: str) -> None:
    assert shown(part) == part


@pytest.mark.parametrize("name", ["%x", "%%con", "%", ".hidden", "a b", "é", "a~1", "", "con.", "\ud800"])
def test_strangers_names_are_no_keys(name: str) -> None:
    assert key_of("pool", name) is None


def test_a_path_goes_down_from_the_folder() -> None:
    assert path("backups/xen", "pool/aux/key") == "backups\\xen\\pool\\%aux\\key"
    assert path("", "key") == "key"
    assert path("backups") == "backups"
    assert path("") == ""
