"""The formats of images: a check reads the bytes while they pass and says at their end whether they are whole."""

from vmbackup.images.check import DiskEvidence, Evidence, ImageCheck

__all__ = ["DiskEvidence", "Evidence", "ImageCheck"]
