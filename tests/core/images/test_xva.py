"""What makes an XVA whole, rule by rule."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.core.images.reading import check_whole, refusal
from tests.core.images.xva_writer import Disk, File, Machine, changed, disk_files, tar, with_checksum, with_data

from vmbackup.errors import ImageError
from vmbackup.images import XvaCheck

BLOCK = 700
UNEVEN = b"a" * BLOCK + bytes(BLOCK) + b"c" * BLOCK + b"d" * 33
SMALL = b"e" * BLOCK + b"f" * BLOCK
# Ref:10 comes before Ref:9: folders are in the order of their bytes.
DISKS = [Disk(9, "uuid-9", SMALL, userdevice="0"), Disk(10, "uuid-10", UNEVEN, userdevice="1")]
MACHINE = Machine(DISKS, block=BLOCK)
EXPECTED = {"uuid-9": len(SMALL), "uuid-10": len(UNEVEN)}
ANSWER = b"HTTP/1.0 500 Internal Error\r\nContent-Type: text/html\r\n\r\n<html><body><h1>HTTP 500</h1></body></html>"


def refused(files: Sequence[File], end: bytes = bytes(1024)) -> str:
    return refusal(XvaCheck(EXPECTED), tar(files, end))


def test_disks_are_testified_in_the_order_of_ova_xml() -> None:
    evidence = check_whole(XvaCheck(EXPECTED), MACHINE.xva())
    assert [(disk.uuid, disk.virtual_size, disk.blocks, disk.data_bytes) for disk in evidence.disks] == [
        ("uuid-9", 1400, 2, 1400),
        ("uuid-10", 2133, 3, 1433),
    ]


def test_a_diskless_vm_is_only_its_ova_xml() -> None:
    assert check_whole(XvaCheck({}), Machine([]).xva()).disks == ()


def test_a_disk_of_0_bytes_has_no_folder() -> None:
    machine = Machine([Disk(3, "none", b""), *DISKS], block=BLOCK)
    evidence = check_whole(XvaCheck({"none": 0, **EXPECTED}), machine.xva())
    assert [(disk.uuid, disk.blocks) for disk in evidence.disks] == [("none", 0), ("uuid-9", 2), ("uuid-10", 3)]


def test_cds_iso_libraries_and_empty_drives_are_not_streamed() -> None:
    others = [
        Disk(1, "cd", b"x", type="CD"),
        Disk(2, "iso", b"x", content_type="iso"),
        Disk(3, "drive", b"x", empty=True),
    ]
    evidence = check_whole(XvaCheck(EXPECTED), Machine([*others, *DISKS], block=BLOCK).xva())
    assert [disk.uuid for disk in evidence.disks] == ["uuid-9", "uuid-10"]


def test_a_cd_that_is_streamed_all_the_same_is_refused() -> None:
    files = Machine([Disk(1, "cd", b"x", type="CD"), *DISKS], block=BLOCK).files()
    with_cd = [files[0], *disk_files("Ref:1", b"x"), *files[1:]]
    assert "Ref:1/00000000 belongs to no disk that ova.xml names" in refused(with_cd)


def test_the_first_block_of_the_archive_is_the_unit_of_all_gaps() -> None:
    tiny, gap = Disk(1, "tiny", b"t" * 100), Disk(2, "gap", b"g" * 100 + bytes(300) + b"h" * 50)
    evidence = check_whole(XvaCheck(), Machine([tiny, gap], block=100).xva())
    assert [disk.data_bytes for disk in evidence.disks] == [100, 150]
    misplaced = [*Machine([tiny, gap]).files()[:3], *disk_files("Ref:2", gap.content, block=150)]
    assert "Ref:2 (uuid gap) ends at 400 of 450 bytes" in refusal(XvaCheck(), tar(misplaced))


def test_a_large_block_may_follow_a_small_disk() -> None:
    machine = Machine([Disk(1, "tiny", b"t" * 100), Disk(2, "large", b"u" * 1_500_000)])
    assert [disk.blocks for disk in check_whole(XvaCheck(), machine.xva()).disks] == [1, 2]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"uuid-9": 1400}, "disk Ref:10 (uuid uuid-10) is not one of the disks that were expected"),
        ({**EXPECTED, "lost": 5}, "the disk with uuid lost is missing in ova.xml"),
        ({**EXPECTED, "uuid-9": 1401}, "disk Ref:9 (uuid uuid-9) has 1,400 bytes in ova.xml; 1,401 were expected"),
    ],
)
def test_the_disks_must_be_those_that_were_snapshotted(expected: dict[str, int], message: str) -> None:
    assert message in refusal(XvaCheck(expected), MACHINE.xva())


@pytest.mark.parametrize("version", [None, 0, 1])
def test_archives_from_before_4_1_are_refused(version: int | None) -> None:
    assert f"export_vsn {version or 0}" in refusal(XvaCheck(), Machine([], export_vsn=version).xva())


def test_ova_xml_must_describe_a_vm() -> None:
    only_network = b"".join(
        (
            b"<value><struct><member><name>version</name><value><struct><member><name>export_vsn</name><value>2</value>",
            b"</member></struct></value></member><member><name>objects</name><value><array><data></data></array></value>",
            b"</member></struct></value>",
        )
    )
    assert "describes no VM" in refusal(XvaCheck(), tar([File("ova.xml", only_network)]))


def test_two_disks_cannot_have_one_uuid() -> None:
    machine = Machine([Disk(1, "same", b"a"), Disk(2, "same", b"b")])
    assert "one uuid to several disks" in refusal(XvaCheck(), machine.xva())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Ref:10/00000000", "the checksum Ref:10/00000000.xxhash stands without its block"),
        ("Ref:10/00000002.xxhash", "block Ref:10/00000002 is not followed by its checksum"),
        ("ova.xml", "begins with ova.xml, not with Ref:10/00000000"),
    ],
)
def test_a_member_is_missing(name: str, message: str) -> None:
    assert message in refused(changed(MACHINE.files(), name, lambda _: None))


def without(*names: str) -> list[File]:
    return [file for file in MACHINE.files() if file.name.removesuffix(".xxhash") not in names]


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            ["Ref:10/00000000"],
            "disk Ref:10 (uuid uuid-10) begins with Ref:10/00000002 of 700 bytes: its first is missing",
        ),
        (["Ref:10/00000003"], "disk Ref:10 (uuid uuid-10) ends at 2,100 of 2,133 bytes: Ref:9/00000000 follows"),
        (["Ref:9/00000001"], "disk Ref:9 (uuid uuid-9) ends at 700 of 1,400 bytes: the end mark follows"),
        (["Ref:9/00000000", "Ref:9/00000001"], "disk Ref:9 (uuid uuid-9) is missing: the end mark stands in its place"),
        (
            ["Ref:10/00000000", "Ref:10/00000002", "Ref:10/00000003"],
            "disk Ref:10 (uuid uuid-10) is missing: Ref:9/00000000 stands in its place",
        ),
    ],
)
def test_blocks_are_missing_together_with_their_checksums(lost: list[str], message: str) -> None:
    assert message in refused(without(*lost))


def test_a_lost_block_in_the_middle_is_legal_but_another_content() -> None:
    whole, holed = (
        check_whole(XvaCheck(EXPECTED), tar(files)) for files in (MACHINE.files(), without("Ref:10/00000002"))
    )
    assert whole.disks[0] == holed.disks[0]
    assert holed.disks[1].blocks == whole.disks[1].blocks - 1
    assert holed.disks[1].blocks_digest != whole.disks[1].blocks_digest


def test_a_block_in_another_place_is_another_content() -> None:
    moved = [replace(file, name=file.name.replace("00000002", "00000001")) for file in MACHINE.files()]
    whole, other = (check_whole(XvaCheck(EXPECTED), tar(files)).disks[1] for files in (MACHINE.files(), moved))
    assert (whole.blocks, whole.data_bytes) == (other.blocks, other.data_bytes)
    assert whole.blocks_digest != other.blocks_digest


def test_disks_in_the_order_of_their_numbers_are_refused() -> None:
    files = MACHINE.files()
    turned = [files[0], *files[7:], *files[1:7]]
    assert "disk Ref:10 (uuid uuid-10) is missing: Ref:9/00000000 stands in its place" in refused(turned)


def test_a_disk_that_comes_twice_is_refused() -> None:
    files = MACHINE.files()
    assert "Ref:9/00000000 stands behind the last block of the last disk" in refused([*files, *files[7:]])
    assert "Ref:10/00000000 stands in its place" in refused([*files[:7], *files[1:7], *files[7:]])


def test_a_host_that_starts_over_is_refused() -> None:
    files = MACHINE.files()
    again = [*files[:5], *files[1:]]
    assert "block Ref:10/00000000 comes after number 00000002: the numbers must rise" in refused(again)


def test_blocks_beyond_the_end_are_refused() -> None:
    longer = changed(MACHINE.files(), "Ref:9/00000001", with_data(b"f" * (BLOCK + 1)))
    assert "block Ref:9/00000001 reaches beyond the end of disk Ref:9 (uuid uuid-9)" in refused(longer)
    assert "Ref:9/00000002 stands behind the last block" in refused(
        [*MACHINE.files(), *with_checksum("Ref:9/00000002", b"")]
    )


def test_an_empty_block_cannot_stand_for_the_last_or_the_first() -> None:
    last = [*without("Ref:9/00000001"), *with_checksum("Ref:9/00000002", b"")]
    assert "ends with the empty block Ref:9/00000002: its last is missing" in refused(last)
    files = MACHINE.files()
    first = [files[0], *with_checksum("Ref:10/00000000", b""), *files[3:]]
    assert "begins with Ref:10/00000000 of 0 bytes: its first is missing" in refused(first)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("Ref:9/00000000", b"E" * BLOCK, "block Ref:9/00000000 does not match its checksum (xxhash)"),
        ("Ref:9/00000000.xxhash", b"0" * 16, "block Ref:9/00000000 does not match its checksum (xxhash)"),
        ("Ref:9/00000000.xxhash", b"0" * 15, "the checksum Ref:9/00000000.xxhash has 15 bytes"),
        ("Ref:9/00000000.xxhash", b"0" * 8_000_000, "the checksum Ref:9/00000000.xxhash has 8,000,000 bytes"),
    ],
)
def test_a_block_and_its_checksum_must_agree(name: str, data: bytes, message: str) -> None:
    assert message in refused(changed(MACHINE.files(), name, with_data(data)))


def test_hex_digits_must_be_written_as_hosts_write_them() -> None:
    lower = changed(MACHINE.files(), "Ref:9/00000000.xxhash", lambda file: replace(file, data=file.data.lower()))
    assert "does not match" in refused(lower)


def test_the_kind_of_the_checksums_cannot_change() -> None:
    files = MACHINE.files()
    mixed = [*files[:7], *disk_files("Ref:9", SMALL, BLOCK, ".checksum")]
    assert "Ref:9/00000000.checksum: the kind of the checksums changes" in refused(mixed)


@pytest.mark.parametrize("name", ["checksum.xml", "Ref:77/00000000", "../etc/passwd", "Ref:9/1", "Ref:9/00000000.md5"])
def test_foreign_members_are_refused(name: str) -> None:
    files = MACHINE.files()
    assert f"{name} belongs to no disk" in refused([*files[:7], File(name, b"x"), *files[7:]])
    assert f"{name} stands behind the last block" in refused([*files, File(name, b"x")])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (b"%011o\0" % (16 << 20 | 1), "claims to have 16,777,217 bytes"),
        (b"77777777777\0", "claims to have 8,589,934,591 bytes"),
        (b"-0000000001\0", "no octal number"),
        (b"\x80" + b"\0" * 8 + b"\x10\0\0", "no octal number"),
        (b"\xff" * 12, "no octal number"),
        (b"0000000008\0\0", "no octal number"),
        (b"0x000001000\0", "no octal number"),
        (b"\0" * 12, "no octal number"),
    ],
)
def test_absurd_sizes_are_refused_at_the_header(size: bytes, message: str) -> None:
    absurd = changed(MACHINE.files(), "Ref:10/00000000", lambda file: replace(file, size=size, data=b""))
    check = XvaCheck(EXPECTED)
    with pytest.raises(ImageError, match=message):
        check.feed(tar(absurd[:2], end=b""))


def test_an_absurd_ova_xml_is_refused_at_its_header() -> None:
    with pytest.raises(ImageError, match=r"ova\.xml claims to have 67,108,865 bytes"):
        XvaCheck().feed(File("ova.xml", b"", size=b"%011o\0" % (64 << 20 | 1)).header())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (b"1", "a hard link"),
        (b"2", "a symbolic link"),
        (b"3", "of type b'3'"),
        (b"5", "a folder"),
        (b"x", "a pax header"),
        (b"g", "a pax header"),
        (b"S", "a GNU sparse file"),
        (b"L", "a GNU long name"),
        (b"\0/etc/passwd", "the tar header of Ref:9/00000000 has fields that no host writes"),
        (b"0" + bytes(100) + b"ustar\x0000", "has fields that no host writes"),
    ],
)
def test_only_regular_files_are_members(kind: bytes, message: str) -> None:
    other = changed(MACHINE.files(), "Ref:9/00000000", lambda file: replace(file, type=kind))
    assert message in refused(other)


def test_padding_must_be_zero() -> None:
    image = bytearray(MACHINE.xva())
    place = image.index(b"Ref:9/00000000\0") + 512 + BLOCK
    image[place] = 1
    assert "the padding behind Ref:9/00000000 is not zero" in refusal(XvaCheck(EXPECTED), bytes(image))


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (b"", "no end mark: the stream ends behind Ref:9/00000001.xxhash"),
        (bytes(512), "the stream ends inside the end mark"),
        (bytes(1023), "the stream ends inside the end mark"),
        (bytes(511), "the stream ends inside the tar header behind Ref:9/00000001.xxhash"),
        (bytes(1025), "the stream goes on behind the end mark"),
        (bytes(1536), "the stream goes on behind the end mark"),
        (bytes(512) + b"x" * 512, "the end mark is incomplete"),
        (bytes(1024) + ANSWER, "inside the stream: HTTP/1.0 500 Internal Error"),
        (bytes(512) + ANSWER.ljust(512), "inside the stream: HTTP/1.0 500 Internal Error"),
        (ANSWER, "inside the stream: HTTP/1.0 500 Internal Error"),
        (ANSWER + b"." * 512, "inside the stream: HTTP/1.0 500 Internal Error"),
    ],
)
@pytest.mark.parametrize("step", [1, 511, 1 << 20])
def test_two_blocks_of_zeros_are_the_end_and_nothing_else(end: bytes, message: str, step: int) -> None:
    assert message in refusal(XvaCheck(EXPECTED), tar(MACHINE.files(), end), step)


def test_the_pools_error_text_is_told_wherever_the_stream_broke() -> None:
    image = tar(MACHINE.files(), b"")
    within = image.index(b"Ref:9/00000001\0") + 600
    message = refusal(XvaCheck(EXPECTED), image[:within] + ANSWER)
    assert message.startswith(
        "the stream ends inside Ref:9/00000001; the pool's error text inside the stream: HTTP/1.0 500"
    )
    hostile = image + b"HTTP/1.1 500 \x1b[31mred\xff" + b"!" * 600
    assert "\x1b" not in refusal(XvaCheck(EXPECTED), hostile)


def test_a_stream_without_an_image() -> None:
    assert refusal(XvaCheck(), b"").startswith("the stream is empty")
    message = refusal(XvaCheck(), ANSWER)
    assert message.startswith("the stream ends inside the tar header behind the beginning; the pool's error text")
    assert "begins with ova.xml, not with its end" in refusal(XvaCheck(), bytes(1024))


def test_a_check_that_has_failed_stays_failed() -> None:
    check = XvaCheck(EXPECTED)
    with pytest.raises(ImageError, match="checksum is wrong"):
        check.feed(b"x" * 512)
    with pytest.raises(ImageError, match="over already"):
        check.feed(MACHINE.xva())
    with pytest.raises(ImageError, match="over already"):
        check.close()


def test_a_check_serves_one_stream() -> None:
    check = XvaCheck(EXPECTED)
    check_whole(check, MACHINE.xva())
    for again in (lambda: check.feed(b"x"), check.close):
        with pytest.raises(ImageError, match="over already"):
            again()


def test_nothing_of_a_piece_is_kept() -> None:
    check, piece = XvaCheck(EXPECTED), bytearray(MACHINE.xva()[:9000])
    assert check.feed(piece) is piece
    piece.clear()  # BufferError if a view of it were left somewhere
    assert check.feed(b"") == b""
