"""Reports of every shape that a run can have, for those who tell of them; the same every time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from vmbackup.errors import Interrupted
from vmbackup.manifest import Image, ImageDisk, Manifest, PoolFact, Rehearsed, StoredFile, VMFact
from vmbackup.models import Pool
from vmbackup.results import (
    PREPARE,
    Backup,
    Covered,
    Failure,
    Kept,
    Mirrored,
    Outcome,
    Removal,
    Report,
    Run,
    Space,
    VMResult,
)

START = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
MANY = 200
POOL = Pool(
    ref="OpaqueRef:7b1d6a30-5f0c-4c58-9f3e-2b6f0a9d4e11",
    uuid="0d6bb5a4-84a9-4a5e-8d0c-2f6f0b6f7a10",
    name="campus",
    coordinator="xen1",
    product="XCP-ng 8.3",
    version="26.1",
    default_sr="5b1d8a52-1d1c-4e8c-9a0a-6d6d4c6b9a01",
)
# What a name may hold: a pool takes any text. Each of these has done harm to somebody who put it into a page or a path.
HOSTILE = (
    "../../etc/cron.d/x",
    "/",
    "",
    "a\r\nBcc: everyone@example.edu\r\n\r\nhello",
    "<script>alert(1)</script>",
    "\"}'`$(reboot)`${x}{0}%s%n",
    "\x1b[2J\x07\x00",
    "\u202eexe.x\u200b",
    "Zürich büro 東京 🦕",
    "x" * 4000,
)
FULL = Failure("export", "TargetError", "target nas: No space left on device", "Make room.", 4)


def reports() -> Mapping[str, Report]:
    """Return a report of each shape, by what is special about it."""
    good, bad = _good("web", 1), _bad("db", 2)
    run = Run("3f9ac0de12345678", "weekend", POOL, START)
    whole = Report(run, START + timedelta(hours=2), ("nas",), (good,), versions={"vmbackup": "1.0", "xapi": "26.1"})
    before = replace(run, pool=replace(POOL, ref="", uuid="", coordinator="", product="", version="", default_sr=""))
    nothing = Failure(PREPARE, "LoginRefused", "the pool refused the login", "Check the password.", 12)
    lost = Outcome("usb", failure=Failure(PREPARE, "TargetNotProven", "another disk is plugged in", "", 10))
    warned = replace(good, warnings=(Failure("cleanup", "VDI_IN_USE", "a snapshot could not be removed yet"),))
    dumps = Backup("nas", "pool-database/20260314T220000Z-3f9a", _manifest("", 0, START))
    return {
        "a good run": whole,
        "a failed run": replace(whole, results=(bad,)),
        "a run that was good with one VM alone": replace(whole, results=(good, bad)),
        "a run that was good on one target alone": replace(
            whole, targets=("nas", "usb"), results=(replace(good, outcomes=(*good.outcomes, lost)),)
        ),
        "a run with warnings": replace(
            whole, results=(warned,), warnings=(Failure("plan", "Note", "a disk is left out"),)
        ),
        "a run with removals": replace(
            whole, removals=(Removal("nas", "campus/web/1", "keep.last = 4"), Removal("nas", "campus/db/1", "x", FULL))
        ),
        "a run with its inventory": replace(
            whole,
            inventory=(
                Covered("web", _uuid(1), taken=True, chain=3),
                Covered("printer", _uuid(9), taken=False),
                Covered("scratch", _uuid(8), taken=False, excluded=True),
            ),
        ),
        "a run that took stock": replace(
            whole,
            targets=("nas", "usb"),
            kept=(
                Kept("nas", "web", _uuid(1), 4, START, START - timedelta(days=9)),
                Kept("usb", "web", _uuid(1), 0),
            ),
            spaces=(Space("nas", 1 << 42, 1 << 41), Space("usb")),
        ),
        "a run with mirrors": replace(
            whole,
            mirrored=(
                Mirrored("offsite", "campus/vm-1/20260314T220100Z-3f9a", "copied", 3 << 29, 61.5),
                Mirrored("offsite", "campus/vm-1/20260114T220100Z-11aa", "removed", failure=FULL),
                Mirrored("tape", "", "reached", failure=replace(FULL, step="mirror", message="tape: no route to host")),
            ),
        ),
        "a run with rehearsals": replace(whole, rehearsals=_rehearsals()),
        "a run with a dump of the pool database": replace(
            whole, results=(replace(good, outcomes=(Outcome("nas", dumps),)),)
        ),
        "a run that found nothing to do": replace(whole, results=()),
        "a run that was interrupted": replace(whole, results=(), interrupted=Interrupted(15).signal_number),
        "a run that did not come to its pool": Report(
            before, START, ("nas",), (), failures=(nothing,), versions={"vmbackup": "1.0", "xapi": ""}
        ),
        "a run without anything": Report(replace(before, pool=replace(before.pool, name="")), START, (), ()),
        "a run of a job with a long name": replace(whole, run=replace(run, job="j" * 64)),
        "a run that met a path that is not UTF-8": replace(
            whole, warnings=(replace(FULL, message="/mnt/\udcff: full"),)
        ),
        "a run of many VMs": replace(whole, results=tuple(_good(f"vm {number}", number) for number in range(MANY))),
        **{f"a run of what is called {ascii(name)[:40]}": _called(name, whole) for name in HOSTILE},
    }


def _rehearsals() -> tuple[Rehearsed, ...]:
    good = Rehearsed(
        generation=1,
        backup="campus/vm-1/20260314T220100Z-3f9a",
        vm=_uuid(1),
        name="web",
        moment=START,
        good=True,
        waited_for="agent",
        import_seconds=61.5,
        boot_seconds=18.0,
        written_by="vmbackup 1.0",
    )
    failed = {
        "vm": _uuid(2),
        "name": "db",
        "good": False,
        "step": "wait",
        "code": "TimeUp",
        "message": "no sign of life",
    }
    return (good, good.model_copy(update=failed))


def _called(name: str, whole: Report) -> Report:
    """Return a report in which everything that somebody else may choose is called `name`."""
    failure = Failure(name, name, name, name)
    results = (_good(name, 1), replace(_bad(name, 2), outcomes=(Outcome("nas", failure=failure),)))
    return replace(
        whole,
        run=replace(whole.run, pool=replace(POOL, name=name, coordinator=name)),
        results=results,
        failures=(failure,),
        warnings=(failure,),
        removals=(Removal("nas", name, name, failure),),
        mirrored=(Mirrored("offsite", name, "copied", failure=failure),),
        inventory=(Covered(name, _uuid(1), taken=True),),
        kept=(Kept("nas", name, _uuid(1), 1, START),),
    )


def _uuid(number: int) -> str:
    return f"{number:08x}-7d2e-4f3a-9c1b-0a1b2c3d4e5f"


def _good(name: str, number: int) -> VMResult:
    started = START + timedelta(minutes=number)
    backup = Backup("nas", f"campus/vm-{number}/{started:%Y%m%dT%H%M%SZ}-3f9a", _manifest(name, number, started))
    return VMResult(name, _uuid(number), "vm-export", started, 723.4, 21 << 30, (Outcome("nas", backup),))


def _bad(name: str, number: int) -> VMResult:
    started = START + timedelta(minutes=number)
    return VMResult(name, _uuid(number), "vdi-export", started, 61.0, 5 << 20, (Outcome("nas", failure=FULL),))


def _manifest(name: str, number: int, started: datetime) -> Manifest:
    """Describe the backup of a VM, or a dump of the pool database where there is no number."""
    disk = ImageDisk(
        uuid=_uuid(number + 1000),
        name=name,
        position=0,
        device="xvda",
        virtual_size=20 << 30,
        blocks=20 << 10,
        data_bytes=20 << 30,
        blocks_digest="00aa11bb22cc33dd",
        original_uuid=_uuid(number + 2000),
    )
    image = StoredFile(
        role="image" if number else "pool-database",
        name="image.xva.zst" if number else "pool.xml",
        size=3 << 29,
        sha256="ab" * 32,
        content_digest=f"xxh3-128:{'cd' * 16}",
        content_size=21 << 30,
        compressor="zstd",
        packed_by="vmbackup",
    )
    return Manifest(
        run_id="3f9ac0de12345678",
        installation=_uuid(7),
        written_by="vmbackup 1.0",
        job="weekend",
        method="vm-export",
        pool=PoolFact(uuid=POOL.uuid, name=POOL.name, product=POOL.product, version=POOL.version),
        vm=VMFact(uuid=_uuid(number), name=name, power_state="Running") if number else None,
        image=Image(format="xva", size=21 << 30, disks=(disk,)) if number else None,
        started=started,
        snapshot_time=started,
        finished=started + timedelta(minutes=12),
        files=(image,),
    )
