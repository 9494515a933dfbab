"""What every plugin of a kind must do, as pytest classes for its author to subclass. Needs `vmbackup[testing]`."""

from vmbackup.testing.compressor import CompressorContract
from vmbackup.testing.target import TargetContract
from vmbackup.testing.telling import NotifierContract, ReporterContract

__all__ = ["CompressorContract", "NotifierContract", "ReporterContract", "TargetContract"]
