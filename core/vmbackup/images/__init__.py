"""The formats of images: a check reads the bytes while they pass and says at their end whether they are whole."""

from vmbackup.images.check import DiskEvidence, Evidence, ImageCheck, Sink
from vmbackup.images.ova import Ova, OvaDisk, OvaObject, OvaVersion, read_ova
from vmbackup.images.packed import PackedCheck, sniff
from vmbackup.images.raw import RawCheck
from vmbackup.images.vhd import VhdCheck
from vmbackup.images.xva import XvaCheck

__all__ = [
    "DiskEvidence",
    "Evidence",
    "ImageCheck",
    "Ova",
    "OvaDisk",
    "OvaObject",
    "OvaVersion",
    "PackedCheck",
    "RawCheck",
    "Sink",
    "VhdCheck",
    "XvaCheck",
    "read_ova",
    "sniff",
]
