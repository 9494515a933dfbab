"""`verify --full` against the tool that only reads: openssl on a plain image, zstd on a compressed one."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from benchmarks.contests import MIB, Contest, Source
from tests.core.builders import manifest
from tests.core.images.xva_writer import END, Disk, File, Machine, with_checksum
from typing_extensions import Buffer

from vmbackup.bench import stored_file
from vmbackup.images import XvaCheck
from vmbackup.manifest import Image, ImageDisk
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.stream import Meter
from vmbackup.verify import verify
from vmbackup_targets.local import Local, LocalSettings

UUID = "11111111-1111-4111-8111-111111111111"
REGISTRY = Registry.installed()


@contextmanager
def verifying(source: Source) -> Iterator[list[Contest]]:
    """Make a whole-VM image of the source, plain and compressed, and verify it where it lies."""
    root = source.folder / "target"
    root.mkdir()
    with Local("disk", LocalSettings(path=root)) as target:

        def contest(kind: str, tool: str, goal: float | None, compressor: str | None) -> Contest:
            backup = _stored(target, source, compressor)
            (file,) = backup.manifest.files

            def ours() -> None:
                verdict = verify(backup, Repository(target, ""), REGISTRY)
                assert verdict.good, verdict.wrong

            return Contest(
                name=f"verify --full, {kind}",
                tool=tool,
                goal=goal,
                size=file.content_size,
                ours=ours,
                theirs=lambda: subprocess.run(
                    [*tool.split(), str(root / backup.folder / file.name)], check=True, capture_output=True
                ),
                clean=lambda: None,
            )

        yield [
            contest("a plain XVA", "openssl sha256", 0.5, None),
            contest("an XVA in zstd", "zstd --test", None, "zstd"),
        ]


def _stored(target: Local, source: Source, compressor: str | None) -> Backup:
    """Store the source as the only disk of a VM, as a run does."""
    made = REGISTRY.compressor(compressor, {}) if compressor else None
    folder, name = f"pool/vm/{compressor}", "image.xva" + (made.suffix if made else "")
    check = XvaCheck({UUID: source.size})
    content = Meter((check.feed(piece) for piece in _xva(source)), "xxh3-128" if made else "sha256")
    stored = Meter(made.compress(content)) if made else content
    target.store(f"{folder}/{name}", stored)
    evidence = check.close()
    (seen,) = evidence.disks
    disk = ImageDisk(
        uuid=UUID,
        position=0,
        virtual_size=seen.virtual_size,
        blocks=seen.blocks,
        data_bytes=seen.data_bytes,
        blocks_digest=seen.blocks_digest,
        original_uuid=UUID,
    )
    image = Image(format="xva", size=evidence.size, disks=(disk,))
    made_of = manifest(files=[stored_file("image", name, content, stored, compressor)])
    return Backup(target.label, folder, made_of.model_copy(update={"image": image}))


def _xva(source: Source) -> Iterable[Buffer]:
    """The image, of which every second MiB is text of four bits a byte, so that there is something to compress."""
    one_block = Machine([Disk(10, UUID, bytes(MIB))]).ova()
    yield File("ova.xml", one_block.replace(b">%d<" % MIB, b">%d<" % source.size)).bytes()
    for number, piece in enumerate(source.pieces()):
        data = bytes(piece) if number % 2 else bytes(piece[: MIB // 2]).hex().encode()
        for file in with_checksum(f"Ref:10/{number:08}", data):
            yield file.bytes()
    yield END
