import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup.errors import KeyRefused, TargetError
from vmbackup.keys import check_key, folder_name, slug

HOSTILE = [
    "../../etc/cron.d/x",
    "/",
    ".",
    "..",
    "",
    "-rf",
    "a\nb",
    "\x1b[31mred",
    "\u202egnp.exe",
    "a\0b",
    "🦆",
    "ü" * 300,
    "%s{}",
    "$(reboot)",
    "con",
    "a/b\\c:d",
]


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "manifest.json",
        "campus--f00dfeed/web--11111111/20260103T020000Z-0123/DISK-xvda/vdi.cfg",
        "a._+=-Z9",
        "-rf",
        "a" * 120,
        "/".join(["a" * 79] * 4 + ["a" * 80]),
    ],
)
def test_keys_that_every_target_takes(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        ".hidden",
        "a/.hidden",
        "a.",
        "a./b",
        "a b",
        "a\n",
        "a\0",
        "ä",
        "a\\b",
        "C:",
        "a*",
        "a" * 121,
        "/".join(["a" * 80] * 5),
    ],
)
def test_keys_that_are_refused(key: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        check_key(key)
    assert isinstance(caught.value, TargetError)
    assert "\n" not in caught.value.message


@given(st.text())
def test_no_key_leaves_its_folder_or_hides(key: str) -> None:
    try:
        check_key(key)
    except KeyRefused:
        return
    assert key.isascii()
    assert all(part.strip(".") == part != "" for part in key.split("/"))


@given(st.text() | st.sampled_from(HOSTILE))
def test_every_name_has_a_slug_that_is_part_of_a_key(name: str) -> None:
    made = slug(name)
    assert check_key(made) == made
    assert "/" not in made
    assert len(made) <= 80
    assert not made.startswith("-")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("PROD-CentOS7 (large)", "PROD-CentOS7-large"),
        ("Müller", "Muller"),
        ("../../etc/cron.d/x", "etc-cron-d-x"),
        ("🦆", "unnamed"),
        ("", "unnamed"),
        ("-rf", "rf"),
        ("$(reboot)", "reboot"),
        ("a" * 79 + " b", "a" * 79),
    ],
)
def test_slugs(name: str, made: str) -> None:
    assert slug(name) == made


@given(st.sampled_from(HOSTILE) | st.text(min_size=200), st.uuids())
def test_the_longest_key_of_a_backup_fits(name: str, uuid: object) -> None:
    folder = folder_name(name, str(uuid))
    assert check_key(f"{folder}/{folder}/20260103T020000Z-0123/DISK-{'x' * 10}/vbd.cfg")


def test_two_vms_of_one_name_have_two_folders() -> None:
    assert folder_name("web", "11111111-2222") != folder_name("web", "33333333-2222")
