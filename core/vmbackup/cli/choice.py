"""Which backup a command means, with a word of warning where it was found wrong, or passed over one that was."""

import sys
from collections.abc import Sequence

from vmbackup.address import caution, resolve
from vmbackup.metadata import one_line
from vmbackup.results import Backup


def chosen(text: str, backups: Sequence[Backup]) -> Backup:
    """Return the backup that `text` names, and warn on standard error. Raises ConfigError for none or several."""
    found = resolve(text, backups)
    if warning := caution(text, found, backups):
        sys.stderr.write(f"vmbackup: warning: {one_line(warning)}\n")
    return found
