"""Backups of XenServer and XCP-ng virtual machines, extended by plugins.

What this module exports is all that a plugin may import, and its tests besides `vmbackup.testing` and
`vmbackup.conformance`; the rest of the package may move.
"""

from typing_extensions import Buffer

from vmbackup.contracts import (
    Compressor,
    Entry,
    Export,
    Leftover,
    Method,
    Notifier,
    Plugin,
    Reporter,
    Scratch,
    Stored,
    Target,
)
from vmbackup.errors import (
    BackupError,
    ConfigError,
    ImageError,
    KeyExists,
    KeyMissing,
    KeyRefused,
    NotifyError,
    PlanError,
    SnapshotRefused,
    TargetError,
    TargetLost,
    TargetNotProven,
    VmbackupError,
)
from vmbackup.holes import data_ranges
from vmbackup.images import DiskEvidence, Evidence, ImageCheck, PackedCheck, RawCheck, VhdCheck, XvaCheck
from vmbackup.keys import check_key
from vmbackup.manifest import (
    Image,
    ImageDisk,
    Later,
    LeftOut,
    Manifest,
    PoolFact,
    Rehearsed,
    Slices,
    StoredFile,
    Verified,
    VMFact,
    WrongFile,
)
from vmbackup.markers import hookimpl
from vmbackup.models import SR, VIF, VM, Disk, Pool
from vmbackup.results import Backup, Covered, Failure, Outcome, Removal, Report, Run, VMResult, exit_code
from vmbackup.settings import NoSettings, Secret, Settings
from vmbackup.version import __version__

__all__ = [
    "SR",
    "VIF",
    "VM",
    "Backup",
    "BackupError",
    "Buffer",
    "Compressor",
    "ConfigError",
    "Covered",
    "Disk",
    "DiskEvidence",
    "Entry",
    "Evidence",
    "Export",
    "Failure",
    "Image",
    "ImageCheck",
    "ImageDisk",
    "ImageError",
    "KeyExists",
    "KeyMissing",
    "KeyRefused",
    "Later",
    "LeftOut",
    "Leftover",
    "Manifest",
    "Method",
    "NoSettings",
    "Notifier",
    "NotifyError",
    "Outcome",
    "PackedCheck",
    "PlanError",
    "Plugin",
    "Pool",
    "PoolFact",
    "RawCheck",
    "Rehearsed",
    "Removal",
    "Report",
    "Reporter",
    "Run",
    "Scratch",
    "Secret",
    "Settings",
    "Slices",
    "SnapshotRefused",
    "Stored",
    "StoredFile",
    "Target",
    "TargetError",
    "TargetLost",
    "TargetNotProven",
    "VMFact",
    "VMResult",
    "Verified",
    "VhdCheck",
    "VmbackupError",
    "WrongFile",
    "XvaCheck",
    "__version__",
    "check_key",
    "data_ranges",
    "exit_code",
    "hookimpl",
]
