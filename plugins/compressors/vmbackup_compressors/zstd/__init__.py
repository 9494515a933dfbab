"""Zstandard (RFC 8878), in zstd's seekable format."""
