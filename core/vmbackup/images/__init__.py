"""The formats of images: a check reads the bytes while they pass and says at their end whether they are whole."""

from vmbackup.images.check import DiskEvidence, Evidence, ImageCheck, Sink
from vmbackup.images.first_member import first_member
from vmbackup.images.ova import Ova, OvaDisk, OvaObject, OvaVersion, read_ova
from vmbackup.images.packed import PackedCheck, Packing, sniff
from vmbackup.images.raw import RawCheck
from vmbackup.images.vhd import VhdCheck
from vmbackup.images.vhd_layout import BLOCK as VHD_BLOCK
from vmbackup.images.vhd_layout import SIZE_LIMIT as VHD_LIMIT
from vmbackup.images.vhd_writing import vhd_size, vhd_stream
from vmbackup.images.xva import XvaCheck

__all__ = [
    "VHD_BLOCK",
    "VHD_LIMIT",
    "DiskEvidence",
    "Evidence",
    "ImageCheck",
    "Ova",
    "OvaDisk",
    "OvaObject",
    "OvaVersion",
    "PackedCheck",
    "Packing",
    "RawCheck",
    "Sink",
    "VhdCheck",
    "XvaCheck",
    "first_member",
    "read_ova",
    "sniff",
    "vhd_size",
    "vhd_stream",
]
