"""A made-up history of one site, the same every time: what pages of a real one look like, without a real one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from vmbackup.manifest import Image, ImageDisk, Manifest, PoolFact, Rehearsed, StoredFile, Verified, VMFact
from vmbackup.models import Pool
from vmbackup.protection import Seen
from vmbackup.results import Backup, Covered, Failure, Kept, Mirrored, Outcome, Removal, Report, Run, Space, VMResult
from vmbackup.website import Holdings, Place

GIB = 1 << 30
POOL = Pool(
    ref="OpaqueRef:7b1d6a30-5f0c-4c58-9f3e-2b6f0a9d4e11",
    uuid="0d6bb5a4-84a9-4a5e-8d0c-2f6f0b6f7a10",
    name="Campus",
    coordinator="xen1",
    product="XCP-ng 8.3.0",
    version="26.1",
    default_sr="5b1d8a52-1d1c-4e8c-9a0a-6d6d4c6b9a01",
)
LAST = datetime(2026, 3, 14, 1, 30, tzinfo=UTC)
# The name of a VM, GiB of data, and GiB that it grows by in a run.
VMS = (
    ("PROD-mail", 212, 1.9),
    ("PROD-files", 164, 1.1),
    ("PROD-erp-db", 96, 0.8),
    ("PROD-web01", 31, 0.1),
    ("PROD-web02", 30, 0.1),
    ("PROD-gitlab", 58, 0.5),
    ("PROD-dc1", 27, 0.0),
    ("PROD-dc2", 26, 0.0),
    ("PROD-print", 18, 0.0),
    ("PROD-monitor", 22, 0.2),
    ("PROD-ldap", 9, 0.0),
    ("PROD-vpn", 6, 0.0),
)
LEFT = ("LAB-gpu", "LAB-scratch", "templates-builder")
FULL = Failure(
    "export",
    "SR_BACKEND_FAILURE_44",
    "the pool ended the export: There is insufficient space on SR nfs-vol2",
    "Make room on the SR, or set a larger margin in [pool.snapshots].",
    4,
)
LEASE = Failure("cleanup", "VDI_IN_USE", "PROD-files: a snapshot could not be removed yet", "The next run removes it.")
HUNG = Failure(
    "store",
    "TargetStalled",
    "the target usb hangs: for 600 s nothing has moved there",
    "Look whether its disk answers.",
)


def uuid_of(name: str) -> str:
    digest = sha256(name.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-9{digest[17:20]}-{digest[20:32]}"


def history(runs: int = 40) -> list[Report]:
    """The nightly runs of some weeks, newest first."""
    chance = Random(7)
    return [_run(number, runs, chance) for number in range(runs)][::-1]


def _run(number: int, runs: int, chance: Random) -> Report:
    started = LAST - timedelta(days=runs - 1 - number)
    run = Run(sha256(f"run {number}".encode()).hexdigest()[:16], "nightly", POOL, started)
    results = []
    clock = started + timedelta(seconds=40)
    for place, (name, gib, growth) in enumerate(VMS):
        result = _result(run, name, (gib + growth * number) * chance.uniform(0.97, 1.03), clock, chance)
        if (number, place) in {(9, 3), (22, 1), (22, 4), (runs - 1, 5)}:
            failure = HUNG if place == 1 else FULL
            result = replace(result, seconds=61.4, read=result.read // 9, outcomes=(Outcome("nas", failure=failure),))
        if (number, place) in {(runs - 1, 1), (15, 1), (28, 1)}:
            result = replace(result, warnings=(LEASE,))
        results.append(result)
        clock += timedelta(seconds=result.seconds + 9)
    last = number == runs - 1
    return Report(
        run=run,
        finished=clock + timedelta(seconds=95),
        targets=("nas",),
        results=tuple(results[:3]) if number == 18 else tuple(results),
        removals=tuple(
            Removal(
                "nas", f"campus--0d6bb5a4/{name}--{uuid_of(name)[:8]}/20260212T0130{place:02}Z-8c1e", "keep.last = 30"
            )
            for place, (name, _, _) in enumerate(VMS[:4])
        ),
        inventory=(
            *(Covered(name, uuid_of(name), taken=True) for name, _, _ in VMS),
            *(Covered(name, uuid_of(name), taken=False, excluded=name == LEFT[-1]) for name in LEFT),
        ),
        rehearsals=_rehearsals(started) if last else (),
        mirrored=tuple(_copy(result) for result in results if result.good) if last else (),
        kept=tuple(
            Kept(
                "nas",
                name,
                uuid_of(name),
                min(number + 1, 30),
                started,
                started - timedelta(days=place * 7 % 23, hours=20),
                started - timedelta(days=29) if number >= 29 else None,
            )
            for place, (name, _, _) in enumerate(VMS)
        ),
        spaces=(Space("nas", (9 << 40) - number * (70 << 30), (9 << 40) - (number + 1) * (70 << 30)),),
        interrupted=15 if number == 18 else None,
        versions={"vmbackup": "1.0", "xapi": "26.1"},
    )


def _copy(result: VMResult) -> Mirrored:
    backup = result.outcomes[0].backup
    assert backup
    return Mirrored("offsite", backup.folder, "copied", backup.size, backup.size / (88 << 20))


def _result(run: Run, name: str, gib: float, started: datetime, chance: Random) -> VMResult:
    read = int(gib * GIB)
    usual = 110 + int(uuid_of(name)[:2], 16) % 7 * 22
    rate = usual * chance.uniform(0.93, 1.06) * (1 << 20)
    seconds = 24 + read / rate
    backup = backup_of(run, name, read, started, seconds)
    return VMResult(name, uuid_of(name), "vm-export", started, seconds, read, (Outcome("nas", backup),))


def backup_of(run: Run, name: str, read: int, started: datetime, seconds: float) -> Backup:
    folder = f"campus--{POOL.uuid[:8]}/{name}--{uuid_of(name)[:8]}/{started:%Y%m%dT%H%M%SZ}-{run.id[:4]}"
    digest = sha256(folder.encode()).hexdigest()
    disk = ImageDisk(
        uuid=uuid_of(f"{name} snapshot"),
        name=f"{name} 0",
        position=0,
        device="xvda",
        virtual_size=2 * read,
        blocks=read >> 20,
        data_bytes=read,
        blocks_digest=digest[:16],
        original_uuid=uuid_of(f"{name} disk"),
    )
    image = StoredFile(
        role="image",
        name="image.xva.zst",
        size=read * 41 // 100,
        sha256=digest,
        content_digest=f"xxh3-128:{digest[:32]}",
        content_size=read,
        compressor="zstd",
        packed_by="vmbackup",
    )
    manifest = Manifest(
        run_id=run.id,
        installation=uuid_of("installation"),
        written_by="vmbackup 1.0",
        job=run.job,
        method="vm-export",
        pool=PoolFact(uuid=POOL.uuid, name=POOL.name, product=POOL.product, version=POOL.version),
        vm=VMFact(uuid=uuid_of(name), name=name, power_state="Running"),
        image=Image(format="xva", size=read, disks=(disk,)),
        started=started,
        snapshot_time=started + timedelta(seconds=6),
        finished=started + timedelta(seconds=seconds),
        files=(image,),
    )
    return Backup("nas", folder, manifest)


def _rehearsals(started: datetime) -> tuple[Rehearsed, ...]:
    good = Rehearsed(
        generation=1,
        backup="campus/PROD-web01",
        vm=uuid_of("PROD-web01"),
        name="PROD-web01",
        moment=started - timedelta(days=3),
        good=True,
        waited_for="agent",
        import_seconds=211.5,
        boot_seconds=38.0,
        written_by="vmbackup 1.0",
    )
    bad = good.model_copy(
        update={
            "vm": uuid_of("PROD-erp-db"),
            "name": "PROD-erp-db",
            "good": False,
            "step": "wait",
            "code": "TimeUp",
            "message": "no sign of life within 10 min",
        }
    )
    return (good, bad)


def kept_backups(reports: Sequence[Report]) -> list[Backup]:
    """The backups of some runs, as they would lie on the target, oldest first: some verified, some rehearsed."""
    found = [
        outcome.backup
        for report in sorted(reports, key=lambda report: report.run.started)
        for result in report.results
        for outcome in result.outcomes
        if outcome.backup
    ]
    return [_looked_at(backup, number) for number, backup in enumerate(found)]


def _looked_at(backup: Backup, number: int) -> Backup:
    """Verify one in eleven, most of them whole, and rehearse some of those."""
    if number % 11:
        return backup
    finished = backup.manifest.finished
    whole = number % 4 != 0
    verified = Verified(
        generation=1,
        moment=finished + timedelta(hours=2),
        level="full" if whole else "sample",
        share=1.0 if whole else 0.05,
        read=backup.size if whole else backup.size // 20,
        seconds=backup.size / (310 << 20),
        written_by="vmbackup 1.0",
    )
    rehearsed = _rehearsals(finished + timedelta(days=3, hours=3))[:1] if number % 3 == 0 else ()
    return replace(backup, verified=(verified,), rehearsed=rehearsed)


def holdings(
    reports: Sequence[Report], backups: Sequence[Backup] | None = None, *, away: tuple[tuple[str, str], ...] = ()
) -> Holdings:
    """What a target holds some hours after the last of some runs: these backups, or those of all runs."""
    kept = kept_backups(reports) if backups is None else backups
    seen = Seen(("nas",), tuple(kept), tuple(reports[:1]), frozenset({"nightly"}), away=away)
    made = LAST + timedelta(hours=7)
    return Holdings(made, timedelta(hours=26), seen, (Place("nas", 9 << 40),), tuple(reports))
