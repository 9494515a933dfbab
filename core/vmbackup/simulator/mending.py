"""Making records and disk files agree after a kill: a file is made before its record and removed after it."""

from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import Disks


def mend(db: Database, disks: Disks) -> None:
    """Remove the files that no record names, and give the others the size that their record says."""
    sizes = {disk["uuid"]: disk["virtual_size"] for disk in db.table("VDI").values()}
    disks.keep_only(sizes)
