"""Old backups of NAU VMbackup become backups of ours where they lie: read whole, proven, and given keys and a manifest.

Nothing of the old is moved or changed. The files get second names (hard links) in a folder of ours, which listing,
verification, restore and retention know like any other; a removal takes both names away.
"""

from vmbackup.adopt.particulars import particulars
from vmbackup.adopt.proving import unprovable
from vmbackup.adopt.taking import ADOPTED, Adopter, Attempt, clear, known
from vmbackup.adopt.tree import Copy, Stranger, find

__all__ = ["ADOPTED", "Adopter", "Attempt", "Copy", "Stranger", "clear", "find", "known", "particulars", "unprovable"]
