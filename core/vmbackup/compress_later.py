"""Compressing a published backup afterwards: a new generation beside the old one, which goes once that is proven.

At every moment one whole generation counts, for us and for a person with `sha256sum` and `xe`. Who compresses a backup
claims it by the `begun.json` of the generation to come; a claim whose worker is dead is taken over. No pool is needed.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from typing_extensions import Buffer

from vmbackup.bench import stored_file
from vmbackup.contracts import Leftover
from vmbackup.errors import KeyExists, TargetError
from vmbackup.manifest import BEGUN, MANIFEST, TRASH, Begun, Later, Manifest, StoredFile, generation_name
from vmbackup.metadata import GUIDE, SUMS, guide, sums
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.slices import Slicing
from vmbackup.stream import Meter
from vmbackup.verify import Tell, content

# A worker elsewhere that has not published for so long is dead.
STALE = timedelta(days=1)


def waiting(repository: Repository) -> Iterator[Backup]:
    """Yield the backups that wait to be compressed, oldest first."""
    for backup in repository.backups():
        if backup.manifest.later is not None and backup.manifest.image_file is not None:
            yield backup


def clear(repository: Repository, backup: Backup, leftovers: Iterable[Leftover], installation: str) -> None:
    """Remove what belongs to no generation that counts: an old one, or what a dead worker has begun.

    `leftovers` are the target's. `backup` may be from before another machine published its next generation: what is
    listed now is looked at again before anything goes. What a worker of another installation has begun is left to it
    for a day. A worker that lives all the same finds its claim gone when it has published, and this one, which removes
    the claim before it looks, finds what was published: whichever comes first, one of them sees the other.
    """
    keys = repository.superseded(backup)
    claim = _claim(backup)
    if claim in keys:
        other = repository.begun_by(claim)
        if other is None or (other.installation != installation and datetime.now(UTC) - other.started < STALE):
            return
        repository.target.delete(claim)
    parts = [leftover for leftover in leftovers if leftover.key.startswith(f"{backup.folder}/")]
    if not (keys or parts) or not _counts(backup, repository):
        return
    for leftover in parts:
        repository.target.discard(leftover)
    for key in keys:
        repository.target.delete(key)


def compress(backup: Backup, repository: Repository, registry: Registry, claim: Begun, tell: Tell) -> Backup | None:
    """Publish a backup's next generation, compressed as its manifest says, and remove the present one.

    Returns None where another worker has it. `tell` is told of the bytes that are read: those of the image, and of the
    compressed one, which is read back against the digest of what was backed up. Raises ImageError, with the backup as
    it was, if the image is not what its manifest says; TargetError where the target fails.
    """
    later = backup.manifest.later
    assert later is not None  # noqa: S101 - `waiting` has looked
    try:
        repository.store_fact(_claim(backup), claim)
    except KeyExists:
        return None
    fresh = _store(backup, later, repository, registry, tell)
    made = Backup(backup.target, backup.folder, _next(backup.manifest, fresh))
    for _ in content(made, fresh, repository, registry, tell):
        pass
    made = _publish(made, fresh, later, repository, registry)
    _check_taken(made, repository, claim, _claim(backup))
    for key in repository.superseded(made):
        repository.target.delete(key)
    return made


def _claim(backup: Backup) -> str:
    return f"{backup.folder}/{generation_name(BEGUN, backup.manifest.generation + 1)}"


def _store(backup: Backup, later: Later, repository: Repository, registry: Registry, tell: Tell) -> StoredFile:
    """Compress the image into a file beside it, and describe that."""
    image = backup.manifest.image_file
    assert image is not None  # noqa: S101 - `waiting` has looked
    compressor = registry.compressor(later.compressor, later.settings)
    name = image.name + compressor.suffix
    packed = Meter(compressor.compress(content(backup, image, repository, registry, tell)))
    slicing = Slicing(packed)
    repository.store(f"{backup.folder}/{name}", _as_long_as_it_is_there(backup, repository, slicing))
    file = stored_file("image", name, packed, packed, compressor.name)
    # What was read has proven to be this content by the time it has ended.
    same = {"content_digest": image.content_digest, "content_size": image.content_size}
    return file.model_copy(update={"slices": slicing.slices, **same})


def _as_long_as_it_is_there(backup: Backup, repository: Repository, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
    yield from chunks
    _check_there(backup, repository)


def _check_there(backup: Backup, repository: Repository) -> None:
    """Raise TargetError if the backup was removed meanwhile, or is being removed at this moment.

    A removal writes `trash.json` before it looks what there is to delete, and deletes `begun.json` before that.
    """
    begun, trash = (repository.target.stat(f"{backup.folder}/{name}") for name in (BEGUN, TRASH))
    if begun is None or trash is not None:
        raise TargetError(f"{backup.address} was removed while it was being compressed")


def _counts(backup: Backup, repository: Repository) -> bool:
    """Whether this generation is the one that counts at this moment."""
    generations = [found.manifest.generation for found in repository.look(backup.folder) if isinstance(found, Backup)]
    return generations == [backup.manifest.generation]


def _check_taken(made: Backup, repository: Repository, claim: Begun, key: str) -> None:
    """Raise TargetError, and take the manifest back, unless the claim is still ours and the new generation whole.

    Only then may the old one go: a worker elsewhere may have held us for dead, and be clearing what we have stored.
    """
    if repository.begun_by(key) == claim and _counts(made, repository):
        return
    repository.target.delete(f"{made.folder}/{generation_name(MANIFEST, made.manifest.generation)}")
    raise TargetError(f"{made.address}: another worker has taken it over; the backup is as it was")


def _next(manifest: Manifest, image: StoredFile) -> Manifest:
    """Return the manifest of the next generation, with its image and the metadata of the present one."""
    files = (image, *(file for file in manifest.files if file.role == "metadata"))
    changes = {"generation": manifest.generation + 1, "files": files, "later": None, "finished": datetime.now(UTC)}
    return manifest.model_copy(update=changes)


def _publish(made: Backup, image: StoredFile, later: Later, repository: Repository, registry: Registry) -> Backup:
    """Write what people need, then the manifest; take it back where the backup has gone meanwhile."""
    manifest, folder = made.manifest, made.folder
    generation = manifest.generation
    compressor = registry.compressor(later.compressor, later.settings)
    names = [generation_name(name, generation) for name in (GUIDE, SUMS, MANIFEST)]
    files = list(manifest.files)
    files.append(_small(repository, folder, names[0], guide(manifest, compressor.unpack)))
    files.append(_small(repository, folder, names[1], sums(files)))
    published = repository.publish(folder, manifest.model_copy(update={"files": tuple(files)}))
    try:
        _check_there(made, repository)
    except TargetError:
        for name in (names[2], names[0], names[1], image.name, generation_name(BEGUN, generation)):
            repository.target.delete(f"{folder}/{name}")
        raise
    return published


def _small(repository: Repository, folder: str, name: str, data: bytes) -> StoredFile:
    meter = Meter([data])
    repository.store(f"{folder}/{name}", meter)
    return stored_file("guide", name, meter, meter)
