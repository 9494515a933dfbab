"""Mirrors by SFTP. Needs `vmbackup[sftp]`, which is asked for when such a mirror is entered."""

from vmbackup_mirrors.sftp.mirror import Sftp

__all__ = ["Sftp"]
