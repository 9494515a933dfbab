"""The version of vmbackup, read by the build and by `vmbackup --version`."""

__version__ = "0.1.0"
