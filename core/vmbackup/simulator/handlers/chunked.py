"""A disk in chunks with their checksums, as an XVA and the tar of a raw export hold it (stream_vdi.ml)."""

from vmbackup.simulator import xva
from vmbackup.simulator.block_order import Marks, Struck, rearranged
from vmbackup.simulator.block_paths import Source, sent_chunks
from vmbackup.simulator.chunks import Silence
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.pool import Pool


def write_disk(pool: Pool, vdi: str, folder: str, sink: xva.Sink, *, marks: Struck, progress: Progress) -> None:
    """Write a disk's chunks by the product's path, with what strikes them. Raises OSError when the file is short."""
    settings, record = pool.settings, pool.db.get("VDI", vdi)
    misprinted = Marks(marks.misprinted)
    silence = Silence(settings.keepalive_seconds, settings.keepalive_blocks)
    with pool.disks.path(record["uuid"]).open("rb") as file:
        source = Source(file.fileno(), record["virtual_size"], marks.left_out)
        for number, data in rearranged(sent_chunks(settings.blocks, source, silence, progress.step), marks):
            wrong = bool(len(data)) and misprinted.meet(number)
            xva.write_chunk(sink, folder, number, data, settings.checksum, misprint=wrong)
