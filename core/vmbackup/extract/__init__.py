"""One disk out of a stored backup into a file: no pool is needed, and nothing unproven gets the file's name."""

from vmbackup.errors import ImageError, KeyMissing, PluginError, TargetError, VerificationFailed, VerificationUnread
from vmbackup.extract.disk_file import DiskFile
from vmbackup.verify import StoredDisk, Tell

__all__ = ["DiskFile", "fill"]


def fill(file: DiskFile, stored: StoredDisk, tell: Tell = lambda _: None) -> None:
    """Copy a disk of a backup into `file`, which can be published then: the whole image has proven to be good.

    `tell` is told of the bytes that were read of the stored image. Raises VerificationFailed where the backup is wrong,
    VerificationUnread where it cannot be read, and RestoreError where the file cannot be written.
    """
    address = stored.backup.address
    try:
        stored.read(file.write, tell)
    except (ImageError, KeyMissing) as error:
        raise VerificationFailed(
            f"{address} is not whole, and nothing was extracted: {error.message}",
            advice="Take the disk from another backup of this VM.",
        ) from error
    except (TargetError, PluginError) as error:
        raise VerificationUnread(
            f"{address} could not be read, and nothing was extracted: {error.message}",
            advice=error.advice or "It may be none the worse: see to the target, and try again.",
        ) from error
