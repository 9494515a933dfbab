"""Copies of proven backups somewhere else: made during a run or later, and never at the cost of a backup."""

from vmbackup.mirroring.courier import Courier
from vmbackup.mirroring.original import StoredOriginal
from vmbackup.mirroring.turn import mirror_lock
from vmbackup.mirroring.visit import Lying, Visit

__all__ = ["Courier", "Lying", "StoredOriginal", "Visit", "mirror_lock"]
