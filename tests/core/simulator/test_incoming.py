import gzip
import io
import tarfile

import pytest
import zstandard

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.incoming import Member, Reader, content, next_member


def tar(name: str, data: bytes, style: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def reader(data: bytes) -> Reader:
    found = Reader(io.BytesIO(data))
    found.sniff()
    return found


def refused(data: bytes) -> list[str]:
    source = reader(data)
    with pytest.raises(XapiError) as caught:
        content(source, next_member(source))
    return caught.value.description


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("name", ["ova.xml", "Ref:4/" + "long/" * 30 + "00000000"])
def test_a_member_is_read_whatever_its_packing_and_prefix(pack: type[bytes], name: str) -> None:
    source = reader(pack(tar(name, b"x" * 700)))
    member = next_member(source)
    assert (member, content(source, member)) == (Member(name, 700), b"x" * 700)


def test_the_end_of_an_archive_is_a_premature_one_to_who_needs_more() -> None:
    whole = tar("ova.xml", b"x" * 700)
    for data in (whole[:1000], bytes(1024), b"", gzip.compress(whole[:1000]), gzip.compress(whole)[:-30][:60]):
        assert refused(data) == ["IMPORT_ERROR_PREMATURE_EOF"]


def test_damaged_packing_is_a_premature_end() -> None:
    packed = bytearray(zstandard.ZstdCompressor().compress(tar("ova.xml", bytes(range(256)) * 40)))
    packed[5:40] = b"?" * 35
    with pytest.raises(XapiError, match="IMPORT_ERROR_PREMATURE_EOF"):
        content(source := reader(bytes(packed)), next_member(source))


def test_a_header_that_is_none_is_refused() -> None:
    whole = tar("ova.xml", b"x")
    assert refused(b"?" + whole[1:]) == ["IMPORT_ERROR", "Tar.Header.Checksum_mismatch"]
    link = tarfile.TarInfo("ova.xml")
    link.type = tarfile.SYMTYPE
    assert refused(link.tobuf(tarfile.USTAR_FORMAT)) == ["IMPORT_ERROR", "Tar.Header: not a regular file"]
    assert refused(whole[:148] + b"nonsense" + whole[156:]) == ["IMPORT_ERROR", "Tar.Header: a number is not octal"]
