from vmbackup_compressors.zstd.table import Entry, seek_table


def test_a_table_byte_for_byte() -> None:
    assert seek_table([Entry(0x01020304, 0x00100000, b"\xaa\xbb\xcc\xdd"), Entry(5, 6, b"1234")]) == bytes.fromhex(
        "5e2a4d18 21000000"  # a frame that is skipped, and the size of what follows
        "04030201 00001000 aabbccdd"
        "05000000 06000000 31323334"
        "02000000 80 b1ea928f"  # the number of entries, that they have checksums, and the end
    )
