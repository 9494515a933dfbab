"""Small whole values for tests: a VM, a disk, a manifest, a backup; each says only what a test is about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from vmbackup.manifest import Image, ImageDisk, Manifest, PoolFact, StoredFile, VMFact
from vmbackup.models import SR, VIF, VM, Disk, Inventory, Pool
from vmbackup.results import Backup, Failure, Outcome, Report, Run, VMResult

START = datetime(2026, 1, 3, 2, 0, tzinfo=UTC)
POOL = Pool(
    ref="OpaqueRef:pool",
    uuid="f00dfeed-0000-4000-8000-000000000001",
    name="Campus",
    coordinator="xen1",
    product="XenServer 8.4",
    version="26.1",
    default_sr="sr-1",
)
STORAGE = SR("5eed0000-0000-4000-8000-000000000001", "NFS storage", "nfs", 1 << 40, 1 << 39, snapshots=True)
RUN = Run(id="0123456789abcdef", job="weekend", pool=POOL, started=START)


def disk(position: int = 0, device: str = "xvda", size: int = 8 << 20, name: str = "root") -> Disk:
    return Disk(
        ref=f"OpaqueRef:vdi-{position}",
        uuid=f"d15c0000-0000-4000-8000-{position:012}",
        name=name,
        description="",
        virtual_size=size,
        physical_utilisation=size // 2,
        type="user",
        sharable=False,
        read_only=False,
        sr=STORAGE,
        vbd_uuid=f"bd000000-0000-4000-8000-{position:012}",
        position=position,
        device=device,
        bootable=position == 0,
        mode="RW",
        unpluggable=position != 0,
    )


def vm(
    name: str = "web",
    uuid: str | None = None,
    tags: Sequence[str] = (),
    disks: Sequence[Disk] | None = None,
    vifs: Sequence[VIF] = (),
) -> VM:
    return VM(
        ref=f"OpaqueRef:{name}",
        uuid=uuid or f"{sha256(name.encode()).hexdigest()[:8]}-0000-4000-8000-000000000000",
        name=name,
        description="",
        power_state="Running",
        tags=tuple(tags),
        memory=2 << 30,
        vcpus_max=2,
        vcpus_at_startup=1,
        base_template="",
        os_version="",
        disks=tuple(disks) if disks is not None else (disk(),),
        vifs=tuple(vifs),
    )


def inventory(*vms: VM) -> Inventory:
    return Inventory(POOL, vms, START)


def stored(name: str, data: bytes, role: str = "image") -> StoredFile:
    digest = sha256(data).hexdigest()
    return StoredFile.model_validate(
        {
            "role": role,
            "name": name,
            "size": len(data),
            "sha256": digest,
            "content_digest": f"sha256:{digest}",
            "content_size": len(data),
        }
    )


def manifest(
    *,
    at: datetime = START,
    name: str = "web",
    uuid: str = "11111111-0000-4000-8000-000000000000",
    job: str = "weekend",
    method: str = "vm-export",
    pool: str = POOL.uuid,
    run_id: str = RUN.id,
    generation: int = 1,
    image_format: str = "xva",
    files: Sequence[StoredFile] = (),
    database: bool = False,
) -> Manifest:
    of = ImageDisk(
        uuid="aaaa",
        name="root",
        position=0,
        device="xvda",
        virtual_size=8 << 20,
        blocks=3,
        data_bytes=3 << 20,
        blocks_digest="00ff",
        original_uuid="bbbb",
    )
    image = Image.model_validate({"format": image_format, "size": 4 << 20, "disks": (of,)})
    return Manifest(
        generation=generation,
        run_id=run_id,
        installation="cafe0000-0000-4000-8000-000000000001",
        written_by="vmbackup 0",
        job=job,
        method=method,
        pool=PoolFact(uuid=pool, name=POOL.name, product=POOL.product, version=POOL.version),
        vm=None if database else VMFact(uuid=uuid, name=name, power_state="Running"),
        image=None if database else image,
        started=at,
        snapshot_time=at,
        finished=at + timedelta(minutes=5),
        files=tuple(files),
    )


def backup(
    *,
    at: datetime = START,
    target: str = "nas",
    name: str = "web",
    uuid: str = "11111111-0000-4000-8000-000000000000",
    job: str = "weekend",
    method: str = "vm-export",
    pool: str = POOL.uuid,
    run_id: str = RUN.id,
    database: bool = False,
) -> Backup:
    made = manifest(at=at, name=name, uuid=uuid, job=job, method=method, pool=pool, run_id=run_id, database=database)
    above = "pool-database" if database else f"campus--{pool[:8]}/{name}--{uuid[:8]}"
    return Backup(target, f"{above}/{at:%Y%m%dT%H%M%SZ}-{run_id[:4]}", made)


FAILURE = Failure("export", "SR_BACKEND_FAILURE_44", "the SR is full", "Make room.", 4)


def result(name: str = "web", *, good: bool = True, warnings: Sequence[Failure] = ()) -> VMResult:
    outcome = Outcome("nas", backup=backup(name=name)) if good else Outcome("nas", failure=FAILURE)
    return VMResult(
        vm=name,
        uuid=vm(name).uuid,
        method="vm-export",
        started=START,
        seconds=1.5,
        read=4 << 20,
        outcomes=(outcome,),
        warnings=tuple(warnings),
    )


def report(*results: VMResult, failures: Sequence[Failure] = (), interrupted: int | None = None) -> Report:
    return Report(
        run=RUN,
        finished=START + timedelta(hours=1),
        targets=("nas",),
        results=results,
        failures=tuple(failures),
        interrupted=interrupted,
    )
