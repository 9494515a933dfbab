"""What vmbackup writes about a backup: `begun.json` first, `manifest.json` last, and the target's own identity.

All of it is read back as hostile input, for whoever can write to the target can write one.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from vmbackup.keys import check_key

MANIFEST, BEGUN, TRASH = "manifest.json", "begun.json", "trash.json"
IDENTITY = "vmbackup-target.json"
# What a file system takes for a name.
NAME_BYTES = 255
# Later facts of a backup, each a file with its moment in its name.
VERIFIED, REHEARSED = "verified", "rehearsed"
# Every name that a backup's folder may hold; whatever else lies there is somebody else's and is never removed.
OURS = re.compile(
    r"(image|disk-[0-9]+|pool)\.[a-z0-9.]+|ova\.xml|vm\.cfg|DISK-[A-Za-z0-9]+/(vbd|vdi)\.cfg|VIFs/vif-[A-Za-z0-9]+\.cfg"
    r"|SHA256SUMS(\.[0-9]+)?|RESTORE(\.[0-9]+)?\.txt|((manifest|begun)(\.[0-9]+)?|trash|[a-z]+-[0-9TZ]+)\.json"
)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def _own_name(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name or len(name.encode(errors="replace")) > NAME_BYTES:
        raise ValueError("not a name that a file may have")
    return name


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DigestKind = Literal["sha256", "xxh3-128"]
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|xxh3-128:[0-9a-f]{32})$")]
Uuid = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Size = Annotated[int, Field(ge=0, le=2**63)]
# Thirty years: anything longer is no duration, and no calendar could bear it.
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Name = Annotated[str, AfterValidator(check_key)]
AnyName = Annotated[str, AfterValidator(_own_name)]
Utc = Annotated[AwareDatetime, AfterValidator(_utc)]
Exported = Literal["snapshot", "vm", "copy"]
Level = Literal["quick", "sample", "full"]
# What a level proves, every lower one proves too.
LEVELS: tuple[Level, ...] = ("quick", "sample", "full")


class Fact(BaseModel):
    """Base of what is written to a target: frozen; unknown fields are left to the later version that wrote them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Slices(Fact):
    """Digests of the slices of a stored file, so that a few of them can be proven without reading the rest.

    Each slice has `size` bytes, the last one perhaps fewer. `digests` has 16 hex digits a slice; see `vmbackup.slices`.
    """

    size: Annotated[int, Field(ge=1, le=2**63)]
    digests: Annotated[str, Field(pattern=r"^([0-9a-f]{16})*$")]


class StoredFile(Fact):
    """One file of a backup; `name` is its key below the backup's folder.

    `sha256` and `size` are of the bytes as they lie there, as are the `slices`; `content_digest` and `content_size` of
    the same before our compression. `packed_by` says who compressed it: us, the host in the pool, or nobody.
    """

    role: Literal["image", "metadata", "guide", "pool-database"]
    name: Name
    size: Size
    sha256: Sha256
    content_digest: Digest
    content_size: Size
    compressor: str | None = None
    packed_by: Literal["vmbackup", "host"] | None = None
    slices: Slices | None = None

    @property
    def content_kind(self) -> DigestKind:
        """Which digest the content's is."""
        return "sha256" if self.content_digest.startswith("sha256:") else "xxh3-128"


class Undigested(StoredFile):
    """A file of which nobody has written a digest down. No manifest that is read back has one."""

    sha256: str = ""
    content_digest: str = ""


class ImageDisk(Fact):
    """One disk inside the image; see `vmbackup.images.DiskEvidence` for what the figures mean."""

    uuid: str
    name: str = ""
    position: int
    device: str = ""
    virtual_size: Size
    blocks: Size
    data_bytes: Size
    blocks_digest: str
    original_uuid: Uuid


class Image(Fact):
    """What was proven of the image while it was written; `size` in bytes, decompressed."""

    format: Literal["xva", "raw", "vhd"]
    size: Size
    disks: tuple[ImageDisk, ...]


class PoolFact(Fact):
    """The pool that a backup comes from."""

    uuid: Uuid
    name: str
    product: str
    version: str


class LeftOut(Fact):
    """A disk of the VM that its backup does not hold, since the disk's name asks for that."""

    uuid: Uuid
    name: str
    position: int


class VMFact(Fact):
    """The VM that a backup is of, as it was when the snapshot was taken.

    `secrets` says what its metadata holds that opens doors, "NVRAM" (UEFI variables) and "vTPM": who can read this
    backup has them.
    """

    uuid: Uuid
    name: str
    power_state: str
    secrets: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Later(Fact):
    """How a backup is to be compressed once it is published: by which compressor, with which of its settings."""

    compressor: str
    settings: dict[str, object] = {}


class Twin(Fact):
    """Where the files of a backup lie under NAU VMbackup's names, too: each file once, with two names.

    `folder` are the folders below the target's root, the last of them the copy's own; `stem` is the image's name there
    without its suffix. `adopted` says that they lay there first, and that only a removal may touch them.
    """

    folder: Annotated[tuple[AnyName, ...], Field(min_length=2)]
    stem: AnyName
    adopted: bool = False


class Manifest(Fact):
    """One generation of one backup. Times are UTC; `vm` and `image` are absent for a dump of the pool database.

    `exported` says what the pool read: a snapshot, the halted VM itself, or a copy of a snapshot; `snapshot_time` is
    the moment that it shows. `later` says how the image waits to be compressed, and is absent once it is. `adopted`
    says where a backup that NAU VMbackup made was found; nobody knows its pool any more.
    """

    vmbackup_manifest: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)] = 1
    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    installation: Uuid
    written_by: str
    job: str
    method: str
    pool: PoolFact
    vm: VMFact | None
    image: Image | None
    exported: Exported = "snapshot"
    started: Utc
    snapshot_time: Utc
    finished: Utc
    files: tuple[StoredFile, ...]
    later: Later | None = None
    adopted: Twin | None = None

    @property
    def image_file(self) -> StoredFile | None:
        """The file that holds the image; None for a dump of the pool database."""
        return next((file for file in self.files if file.role == "image"), None)

    def missing(self, sizes: Mapping[str, int]) -> str | None:
        """Say which of its files is not there whole, if any; `sizes` are those of what is there, by the names."""
        for file in self.files:
            size = sizes.get(file.name)
            if size is None:
                return f"{file.name} is missing"
            if size != file.size:
                return f"{file.name} has {size:,} bytes instead of {file.size:,}"
        return None


class WrongFile(Fact):
    """A file of a backup that a verification found wrong, and in what."""

    file: str
    message: str


class Verified(Fact):
    """`verified-<time>.json`: what a verification of one generation found when it read the backup back.

    `moment` is its end; `level` and `share` say how much it looked at, `read` is in bytes. With `finished` false the
    time was up before all was read, so that it tells nothing of the rest.
    """

    vmbackup_verified: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)]
    moment: Utc
    level: Level
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    read: Size
    seconds: Seconds
    written_by: str
    finished: bool = True
    wrong: tuple[WrongFile, ...] = ()

    @property
    def good(self) -> bool:
        """Whether all that it looked at is what the manifest says."""
        return self.finished and not self.wrong


class Rehearsed(Fact):
    """`rehearsed-<time>.json`: what came of bringing a backup back and starting it, out of everybody's reach.

    `moment` is its end; `waited_for` says what counted as a sign of life; the seconds are of reading and importing, and
    of starting until that sign. Where `good` is false, `step`, `code` and `message` say what failed.
    """

    vmbackup_rehearsed: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)]
    backup: str
    vm: Uuid
    name: str
    moment: Utc
    good: bool
    waited_for: str
    import_seconds: Seconds = 0.0
    boot_seconds: Seconds = 0.0
    step: str = ""
    code: str = ""
    message: str = ""
    written_by: str


class Begun(Fact):
    """`begun.json`: who has begun a backup in this folder, written before everything else; so for each generation.

    `twin` says where its files lie under other names, so that a removal finds these whatever it has removed already.
    """

    vmbackup_begun: Literal[1] = 1
    installation: Uuid
    run_id: str
    host: str
    boot_id: str
    started: Utc
    twin: Twin | None = None


class Identity(Fact):
    """`vmbackup-target.json` at the root of a target: proof that this is the target that the configuration names."""

    vmbackup_target: Literal[1] = 1
    id: Uuid
    label: str
    created: Utc


def generation_name(name: str, generation: int) -> str:
    """Return what a file that each generation has for itself is called in one: `manifest.json`, `manifest.2.json`."""
    stem, dot, suffix = name.partition(".")
    return name if generation == 1 else f"{stem}.{generation}{dot}{suffix}"


def manifest_generation(name: str) -> int:
    """Return the generation that a file's name says that it is the manifest of, or 0 for any other file."""
    if name == MANIFEST:
        return 1
    match = re.fullmatch(r"manifest\.([1-9][0-9]{0,5})\.json", name)
    return int(match[1]) if match else 0


def dated_name(kind: str, moment: datetime) -> str:
    """Return the name of the file that keeps a later fact of a backup, such as VERIFIED, by its moment in UTC."""
    return f"{kind}-{moment:%Y%m%dT%H%M%SZ}.json"


def dated(kind: str, name: str) -> datetime | None:
    """Return the moment of the later fact of that kind that a file of that name keeps, or None for any other file."""
    match = re.fullmatch(rf"{kind}-([0-9]{{8}}T[0-9]{{6}}Z)\.json", name)
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%S%z") if match else None
    except ValueError:
        return None


def is_ours(name: str) -> bool:
    """Whether a file of that name, below the folder of a backup, is one that vmbackup writes there."""
    return OURS.fullmatch(name) is not None
