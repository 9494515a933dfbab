"""Mirrors by rclone."""

from vmbackup_mirrors.rclone.mirror import Rclone

__all__ = ["Rclone"]
