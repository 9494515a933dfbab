"""What every plugin of a kind must do, as pytest classes for its author to subclass. Needs `vmbackup[testing]`.

`vmbackup.testing.fixtures` has a simulated pool, and a whole site around it, as fixtures.
"""

from vmbackup.testing.compressor import CompressorContract
from vmbackup.testing.exporting import METHOD_PROMISES, MethodPromise
from vmbackup.testing.method import MethodContract
from vmbackup.testing.mirror import MirrorContract
from vmbackup.testing.site import SimulatedSite
from vmbackup.testing.target import TargetContract
from vmbackup.testing.telling import NotifierContract, ReporterContract

__all__ = [
    "METHOD_PROMISES",
    "CompressorContract",
    "MethodContract",
    "MethodPromise",
    "MirrorContract",
    "NotifierContract",
    "ReporterContract",
    "SimulatedSite",
    "TargetContract",
]
