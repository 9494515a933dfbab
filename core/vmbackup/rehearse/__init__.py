"""Rehearsing restores: backups come back, start where they reach nobody, show a sign of life, and go again."""

from vmbackup.rehearse.keeping import history, keep
from vmbackup.rehearse.rehearsal import Rehearsal, Rules
from vmbackup.rehearse.turns import due, newest

__all__ = ["Rehearsal", "Rules", "due", "history", "keep", "newest"]
