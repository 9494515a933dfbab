"""What a server refuses, and the words for it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.targets.smb.conftest import settings
from tests.plugins.targets.smb.samba import Samba, running

from vmbackup import KeyExists, TargetError
from vmbackup_targets.smb.status import Status, name_of
from vmbackup_targets.smb.target import Smb
from vmbackup_targets.smb.trouble import Explained, Lost, Refused

MIB = 1 << 20


def test_a_share_that_gets_full_leaves_nothing_and_goes_on_working(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        for _ in itertools.count():
            yield bytes(MIB)

    with running(Samba(tmp_path / "samba", size="20m")) as server, Smb("nas", settings(server)) as target:
        free = target.free()
        assert free is not None
        assert 19 * MIB <= free <= 20 * MIB
        with pytest.raises(TargetError, match=r"pool/vm/image\.xva could not be stored: STATUS_DISK_FULL") as raised:
            target.store("pool/vm/image.xva", endless())
        assert "The share is full" in raised.value.advice
        assert list(target.entries()) == []
        assert list(target.leftovers()) == []
        assert target.free() == free
        assert target.store("pool/vm/small", [bytes(10 * MIB)]).size == 10 * MIB


def test_a_share_that_is_read_only_says_so_at_the_first_file(own_server: Samba) -> None:
    (own_server.share / "key").write_bytes(b"data")
    with Smb("nas", settings(own_server, share="readonly")) as target:
        for key in ("other", "new/folder/other"):
            with pytest.raises(TargetError, match=f"{key} could not be stored: STATUS_ACCESS_DENIED") as raised:
                target.store(key, [b"x"])
            assert "A share may also be read-only" in raised.value.advice
        assert b"".join(target.fetch("key")) == b"data"
        with pytest.raises(TargetError, match="key could not be deleted: STATUS_ACCESS_DENIED"):
            target.delete("key")
    assert own_server.files() == {"key"}


def test_a_file_in_the_place_of_a_folder_is_an_error_for_those_who_store(own_server: Samba) -> None:
    (own_server.share / "a").write_bytes(b"x")
    with Smb("nas", settings(own_server)) as target:
        with pytest.raises(TargetError, match="STATUS_NOT_A_DIRECTORY") as raised:
            target.store("a/b/key", [b"x"])
        assert "A file stands in the place of a folder" in raised.value.advice
    assert own_server.files() == {"a"}


def test_strangers_files_are_neither_listed_nor_leftovers(own_server: Samba) -> None:
    names = ("key", ".hidden", ".x.partial", "a b", "é", "con", "~$lock.docx", ".a b.0123456789abcdef.partial")
    for name in names:
        (own_server.share / name).touch()
    (own_server.share / ".folder").mkdir()
    (own_server.share / "link").symlink_to(own_server.folder / "private")
    with Smb("nas", settings(own_server)) as target:
        assert [entry.key for entry in target.entries()] == ["key"]
        assert list(target.leftovers()) == []


def test_a_large_folder_is_listed_to_its_end(own_server: Samba) -> None:
    (own_server.share / "many").mkdir()
    wanted = {f"many/{number:04d}-{'x' * 100}" for number in range(3000)}
    for key in wanted:
        (own_server.share / key).touch()
    with Smb("nas", settings(own_server)) as target:
        assert {entry.key for entry in target.entries("many")} == wanted


def test_a_listing_that_cannot_be_had_is_an_error_and_never_empty(own_server: Samba) -> None:
    with Smb("nas", settings(own_server)) as target:
        target.store("folder/key", [b"x"])
        own_server.stop()
        for call in (lambda: list(target.entries("folder")), lambda: list(target.leftovers())):
            with pytest.raises(TargetError, match="could not be listed: "):
                call()


EXPLAINED = Explained("nas", "stored", "pool/key", r"\\srv\share\pool\key")


@pytest.mark.parametrize("status", [Status.QUOTA_EXCEEDED, Status.DISK_QUOTA_EXCEEDED])
def test_a_quota_has_advice_of_its_own(status: Status) -> None:
    with pytest.raises(TargetError) as raised, EXPLAINED:
        raise Refused(status)
    assert raised.value.message == (
        rf"target nas: pool/key could not be stored: STATUS_{status.name} (\\srv\share\pool\key)"
    )
    assert "quota" in raised.value.advice


def test_a_name_that_is_taken_is_a_kind_of_its_own() -> None:
    with pytest.raises(KeyExists, match="stays as it is"), EXPLAINED:
        raise Refused(Status.OBJECT_NAME_COLLISION)


def test_a_status_that_nobody_has_explained_is_told_by_its_name_or_number() -> None:
    with pytest.raises(TargetError, match="STATUS_CANNOT_DELETE"), EXPLAINED:
        raise Refused(0xC0000121)
    with pytest.raises(TargetError, match="status 0xc0001234"), EXPLAINED:
        raise Refused(0xC0001234)
    assert name_of(Status.DISK_FULL) == "STATUS_DISK_FULL"


def test_what_is_lost_brings_its_own_advice() -> None:
    with pytest.raises(TargetError, match="key could not be stored: gone") as raised, EXPLAINED:
        raise Lost("gone", "Fetch it back.")
    assert raised.value.advice == "Fetch it back."


def test_what_is_no_business_of_the_server_passes() -> None:
    with pytest.raises(ZeroDivisionError), EXPLAINED:
        _ = 1 / 0
