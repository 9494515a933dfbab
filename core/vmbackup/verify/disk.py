"""One disk out of a stored image, which is read whole and proven all the same."""

from dataclasses import dataclass

from vmbackup.errors import ImageError
from vmbackup.images import Sink
from vmbackup.manifest import ImageDisk
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify.reading import Tell, content, prove_image


@dataclass(frozen=True, slots=True)
class StoredDisk:
    """A disk inside the image of a backup, which lies in a repository whose target is entered and proven."""

    backup: Backup
    disk: ImageDisk
    repository: Repository
    registry: Registry

    def read(self, sink: Sink, tell: Tell = lambda _: None) -> None:
        """Give `sink` the disk's data, piece after piece, while the image is proven as by a full verification.

        What `sink` was given counts only when this has returned. `tell` is told of the stored bytes that were read.
        Raises ImageError where the image is wrong, TargetError where it cannot be read, PluginError where its
        compressor is missing, and what `sink` raises.
        """
        image, file = self.backup.manifest.image, self.backup.manifest.image_file
        if image is None or file is None:
            raise ImageError(f"{self.backup.address} has no image", position=0)
        pieces = content(self.backup, file, self.repository, self.registry, tell)
        prove_image(pieces, image, file, {self.disk.uuid: sink})
