"""A XenServer or XCP-ng pool in one process, at the wire: XML-RPC and the HTTP handlers that a backup talks to."""

from vmbackup.simulator.demo import demo_pool, serve
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.faults import (
    BodyHook,
    CallFails,
    CallHook,
    Cut,
    CutTarInsideFrame,
    ErrorInBody,
    Faults,
    Flip,
    LeaveOutBlock,
    Reset,
    TaskFails,
)
from vmbackup.simulator.simulator import Simulator

__all__ = [
    "BodyHook",
    "CallFails",
    "CallHook",
    "Cut",
    "CutTarInsideFrame",
    "DiskSpec",
    "ErrorInBody",
    "Faults",
    "Flip",
    "LeaveOutBlock",
    "Reset",
    "Simulator",
    "TaskFails",
    "demo_pool",
    "serve",
]
