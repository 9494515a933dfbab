"""Mirrors by rsync."""

from vmbackup_mirrors.rsync.mirror import Rsync

__all__ = ["Rsync"]
