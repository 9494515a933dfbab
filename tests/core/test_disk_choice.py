import pytest
from tests.core.builders import START, manifest

from vmbackup.disk_choice import choose
from vmbackup.errors import ConfigError, RestoreError
from vmbackup.manifest import Image, ImageDisk
from vmbackup.results import Backup


def backup(*disks: tuple[str, int, str]) -> Backup:
    """A backup of disks, each with its device, position and name."""
    found = [
        ImageDisk(
            uuid=f"snapshot-{position}",
            original_uuid=f"original-{position}",
            name=name,
            position=position,
            device=device,
            virtual_size=5,
            blocks=1,
            data_bytes=5,
            blocks_digest="00",
        )
        for device, position, name in disks
    ]
    image = Image.model_validate({"format": "xva", "size": 5, "disks": found})
    return Backup("nas", f"pool/vm/{START:%Y}", manifest().model_copy(update={"image": image}))


TWO = backup(("xvda", 0, "root"), ("", 7, "xvda"))


@pytest.mark.parametrize(
    ("wanted", "position"),
    [("xvda", 0), ("0", 0), ("7", 7), ("root", 0), ("original-7", 7), ("snapshot-7", 7)],
)
def test_a_device_counts_before_a_position_a_uuid_and_a_name(wanted: str, position: int) -> None:
    assert choose(TWO, wanted).position == position


@pytest.mark.parametrize("wanted", [None, "", "xvdb", "1", "ROOT"])
def test_what_names_none_or_nothing_lists_them(wanted: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(TWO, wanted)
    assert "position 0, xvda, original-0: 'root'" in caught.value.advice
    assert "position 7, no device yet, original-7: 'xvda'" in caught.value.advice


def test_two_disks_of_one_name_are_told_apart_otherwise() -> None:
    with pytest.raises(ConfigError, match=r"2 disks of .* are called 'data'"):
        choose(backup(("xvda", 0, "data"), ("xvdb", 1, "data")), "data")


def test_one_alone_needs_no_name_and_none_has_none() -> None:
    assert choose(backup(("xvdc", 2, "only")), None).position == 2
    with pytest.raises(ConfigError, match="0 disks"):
        choose(backup(), None)
    with pytest.raises(RestoreError, match="pool database"):
        choose(Backup("nas", "pool-database/x", manifest(database=True).model_copy(update={"image": None})), None)
