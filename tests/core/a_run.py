"""A run as it may well be: its report has something to say of every kind."""

from datetime import UTC, datetime, timedelta

from vmbackup import Backup, Failure, Manifest, Outcome, Pool, Removal, Report, Run, VMResult
from vmbackup.manifest import Image, ImageDisk, PoolFact, StoredFile, VMFact
from vmbackup.results import Covered, Kept, Space

STARTED = datetime(2026, 3, 14, 22, 0, 0, tzinfo=UTC)
RUN_ID = "3f9ac0de12345678"
POOL = Pool(
    ref="OpaqueRef:1c7b6d0e-0d57-4b5c-9b9e-3d1a1d1f5c11",
    uuid="0d6bb5a4-84a9-4a5e-8d0c-2f6f0b6f7a10",
    name="campus-pool",
    coordinator="xen1.example.edu",
    product="XenServer 8",
    version="26.1",
    default_sr="5b1d8a52-1d1c-4e8c-9a0a-6d6d4c6b9a01",
)


def a_run() -> Report:
    """A run that took two VMs, failed with one, and has something to say of every kind."""
    return Report(
        run=Run(RUN_ID, "weekend", POOL, STARTED),
        finished=STARTED + timedelta(hours=2, minutes=5, seconds=7),
        targets=("nas",),
        results=(good("PROD-web", 1), failed("PROD-db", 2), good("DEV-RH9-büro", 3)),
        failures=(Failure("select", "PlanError", "no VM is called 'PROD-old'", "Did you mean 'PROD-web'?"),),
        warnings=(Failure("reconcile", "VDI_IN_USE", "a snapshot of an older run is still in use"),),
        removals=(
            Removal("nas", folder("PROD-web", 1, "20260214T220000Z-77aa"), "number 5, and the last 4 are kept"),
            Removal("nas", folder("PROD-db", 2, "20260214T223000Z-77aa"), "keep.last = 4", FULL),
        ),
        inventory=(
            Covered("PROD-web", uuid(1), taken=True, chain=2),
            Covered("printer", uuid(9), taken=False),
            Covered("scratch", uuid(8), taken=False, excluded=True),
        ),
        kept=(
            Kept("nas", "PROD-web", uuid(1), 4, STARTED + timedelta(minutes=30), STARTED - timedelta(days=9)),
            Kept("nas", "PROD-db", uuid(2), 3, STARTED - timedelta(days=7)),
            Kept("nas", "DEV-RH9-büro", uuid(3), 1, STARTED + timedelta(minutes=90)),
        ),
        spaces=(Space("nas", 3 << 40, 5 << 39),),
        versions={"vmbackup": "0.1.0", "python": "3.11.7"},
    )


FULL = Failure("store", "TargetError", "target nas: No space left on device", "The file system is full.", 4)


def uuid(number: int) -> str:
    return f"{number:08x}-7d2e-4f3a-9c1b-0a1b2c3d4e5f"


def folder(name: str, number: int, moment: str) -> str:
    slug = name.encode("ascii", "ignore").decode()
    return f"campus-pool--0d6bb5a4/{slug}--{uuid(number)[:8]}/{moment}"


def good(name: str, number: int) -> VMResult:
    started = STARTED + timedelta(minutes=30 * number)
    backup = Backup("nas", folder(name, number, f"{started:%Y%m%dT%H%M%SZ}-3f9a"), manifest(name, number, started))
    warning = Failure("unmake", "VDI_IN_USE", "the snapshot could not be removed yet")
    warnings = (warning,) if number == 3 else ()
    return VMResult(name, uuid(number), "vm-export", started, 723.4, 21 << 30, (Outcome("nas", backup),), warnings)


def failed(name: str, number: int) -> VMResult:
    started = STARTED + timedelta(minutes=30 * number)
    outcomes = (Outcome("nas", failure=FULL),)
    return VMResult(name, uuid(number), "vdi-export", started, 61.0, 5 << 20, outcomes)


def manifest(name: str, number: int, started: datetime) -> Manifest:
    disk = ImageDisk(
        uuid=uuid(number + 100),
        name="system",
        position=0,
        device="xvda",
        virtual_size=20 << 30,
        blocks=20480,
        data_bytes=20 << 30,
        blocks_digest="00aa11bb22cc33dd",
        original_uuid=uuid(number + 200),
    )
    image = StoredFile(
        role="image",
        name="image.xva.zst",
        size=3 << 29,
        sha256="ab" * 32,
        content_digest=f"xxh3-128:{'cd' * 16}",
        content_size=21 << 30,
        compressor="zstd",
        packed_by="vmbackup",
    )
    return Manifest(
        run_id=RUN_ID,
        installation=uuid(7),
        written_by="vmbackup 0.1.0",
        job="weekend",
        method="vm-export",
        pool=PoolFact(uuid=POOL.uuid, name=POOL.name, product=POOL.product, version=POOL.version),
        vm=VMFact(uuid=uuid(number), name=name, power_state="Running"),
        image=Image(format="xva", size=21 << 30, disks=(disk,)),
        started=started,
        snapshot_time=started + timedelta(seconds=4),
        finished=started + timedelta(seconds=720),
        files=(image,),
    )
