"""`verify --full` against the tool that only reads: openssl on a plain image, zstd on a compressed one."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contests import MIB, Contest, Source
from tests.core.images.xva_writer import END, Disk, File, Machine, with_checksum
from typing_extensions import Buffer

from vmbackup.images import XvaCheck
from vmbackup.manifest import Image, ImageDisk, Manifest, PoolFact, StoredFile
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.settings import Settings
from vmbackup.stream import Meter
from vmbackup.contracts import Target
from vmbackup.verify import verify
from vmbackup_targets.local import Local, LocalSettings

UUID = "11111111-1111-4111-8111-111111111111"


@contextmanager
def verifying(source: Source) -> Iterator[list[Contest]]:
    """Make a whole-VM image of the source, plain and compressed, and verify it where it lies."""
    root = source.folder / "target"
    root.mkdir()
    registry = Registry.installed()
    with Local("disk", LocalSettings(path=root)) as target:

        def contest(kind: str, tool: str, goal: float, compressor: str | None) -> Contest:
            backup = _stored(target, source, registry, compressor)
            path = root / backup.folder / backup.manifest.files[0].name

            def ours() -> None:
                verdict = verify(backup, Repository(target, ""), registry)
                assert verdict.good, verdict.wrong

            return Contest(
                name=f"verify --full, {kind}",
                tool=tool,
                goal=goal,
                size=backup.manifest.files[0].content_size,
                ours=ours,
                theirs=lambda: subprocess.run([*tool.split(), str(path)], check=True, capture_output=True),
                clean=lambda: None,
            )

        yield [
            contest("a plain XVA", "openssl sha256", 0.5, None),
            contest("an XVA in zstd", "zstd --test", 0.5, "zstd"),
        ]


def _stored(target: Target[Settings], source: Source, registry: Registry, compressor: str | None) -> Backup:
    """Store the source as the only disk of a VM, as a run does."""
    made, check = registry.compressor(compressor, {}) if compressor else None, _check(source)
    folder, name = f"pool/vm/{compressor}", "image.xva" + (made.suffix if made else "")
    content = Meter(check.feed(piece) for piece in _xva(source))
    stored = Meter(made.compress(content)) if made else content
    target.store(f"{folder}/{name}", stored)
    evidence = check.close()
    file = StoredFile(
        role="image",
        name=name,
        size=stored.size,
        sha256=stored.sha256,
        content_sha256=content.sha256,
        content_size=content.size,
        compressor=compressor,
        packed_by="vmbackup" if made else None,
    )
    seen = evidence.disks[0]
    disk = ImageDisk(
        uuid=UUID,
        position=0,
        virtual_size=seen.virtual_size,
        blocks=seen.blocks,
        data_bytes=seen.data_bytes,
        blocks_digest=seen.blocks_digest,
        original_uuid=UUID,
    )
    now = datetime.now(UTC)
    manifest = Manifest(
        run_id="0123456789abcdef",
        installation=UUID,
        written_by="a bench",
        job="bench",
        method="vm-export",
        pool=PoolFact(uuid=UUID, name="bench", product="", version=""),
        vm=None,
        image=Image(format="xva", size=evidence.size, disks=(disk,)),
        started=now,
        snapshot_time=now,
        finished=now,
        files=(file,),
    )
    return Backup(target.label, folder, manifest)


def _check(source: Source) -> XvaCheck:
    return XvaCheck({UUID: source.size})


def _xva(source: Source) -> Iterable[Buffer]:
    """The image, of which every second MiB is text of four bits a byte, so that there is something to compress."""
    ova = Machine([Disk(10, UUID, _Sized(source.size))]).ova()
    yield File("ova.xml", ova).bytes()
    for number, piece in enumerate(source.pieces()):
        data = bytes(piece) if number % 2 else bytes(piece[: MIB // 2]).hex().encode()
        for file in with_checksum(f"Ref:10/{number:08}", data):
            yield file.bytes()
    yield END


class _Sized(bytes):
    """Content of which only the length is asked for."""

    def __new__(cls, size: int) -> "_Sized":
        made = super().__new__(cls)
        made.size = size
        return made

    size: int

    def __len__(self) -> int:
        return self.size


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("image*"))
