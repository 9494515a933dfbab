"""The life of one backup: begin on the target, snapshot, metadata, image, manifest; and unmake in every case."""

import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

from vmbackup.bench import Bench, folder_of, stored_file
from vmbackup.cleanup import clean_up
from vmbackup.contracts import Export, Method
from vmbackup.delivery import Delivery
from vmbackup.errors import BackupError, Interrupted, TimeUp, TransferError
from vmbackup.images import Evidence, read_ova
from vmbackup.journal import Intent
from vmbackup.manifest import Image, ImageDisk, StoredFile, is_ours
from vmbackup.metadata import GUIDE, SUMS, files_for_people, guide, sums
from vmbackup.models import VM
from vmbackup.plan import Task
from vmbackup.proof import Proof
from vmbackup.results import Failure, VMResult
from vmbackup.settings import Settings
from vmbackup.slices import Slicing
from vmbackup.stages import CHECKS, COMPRESSION, WAITS, Stages
from vmbackup.stream import Meter, ahead, counted, read_all
from vmbackup.xapi.inventory import reread
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.transfers import Request, download

METADATA_LIMIT = 64 << 20


class VMBackup:
    """One VM's backup, from its begin to the moment when nothing of it is left in the pool."""

    def __init__(self, bench: Bench, task: Task, method: Method[Settings]) -> None:
        """`task` says what to back up, `method` how."""
        self._bench = bench
        self._task = task
        self._method = method
        self._step = "begin"
        self._read = 0
        self._open_before = frozenset(intent.number for intent in bench.journal.open)
        self._limits = bench.limits_for(task.seconds)
        self._started = datetime.now(UTC)
        folder = folder_of(bench.run.pool, task.vm, self._started, bench.run.id)
        self._delivery = Delivery(bench, folder, task.vm.name)
        self.interrupted: Interrupted | None = None

    def run(self) -> VMResult:
        """Make the backup and clean up, whatever happens. After an interruption `interrupted` says so."""
        bench = self._bench
        clock = time.monotonic()
        try:
            self._make()
        except Interrupted as stop:
            self.interrupted = stop
            self._delivery.fail(Failure(self._step, "Interrupted", "the run was interrupted"))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one VM's failure, even by a bug, never stops the others
            self._delivery.fail(Failure.of(self._step, error))
        warnings = self._clean_up()
        for warning in warnings:
            bench.watcher.warned(warning)
        return VMResult(
            vm=self._task.vm.name,
            uuid=self._task.vm.uuid,
            method=self._task.method,
            started=self._started,
            seconds=time.monotonic() - clock,
            read=self._read,
            outcomes=self._delivery.outcomes,
            warnings=tuple(warnings),
        )

    def _clean_up(self) -> list[Failure]:
        """Unmake what this backup has made; what earlier ones could not unmake waits for the end of the run."""
        try:
            return self._unmake()
        except Interrupted as stop:
            self.interrupted = stop
            return self._unmake()

    def _unmake(self) -> list[Failure]:
        bench = self._bench
        own = [intent for intent in bench.journal.open if intent.number not in self._open_before]
        return clean_up(bench.session, bench.journal, bench.lanes, own)

    def _enter(self, step: str) -> None:
        self._step = step
        self._bench.journal.enter(step, self._task.vm.name)
        self._bench.watcher.step(self._task, step)

    def _make(self) -> None:
        bench, delivery = self._bench, self._delivery
        self._enter("begin")
        if self._limits.deadline is not None and time.monotonic() > self._limits.deadline:
            raise TimeUp("the time that max-duration gives the job was up before its turn came")
        delivery.begin(self._started)
        self._enter("snapshot")
        vm = reread(bench.session, self._task.vm)
        with ExitStack() as told:
            told.enter_context(self._told_of_snapshot(vm))

            def copying() -> None:
                told.close()  # a guest does not stand still for hours
                self._enter("copy")

            moment = datetime.now(UTC)
            scratch = PoolScratch(bench.session, bench.journal, bench.margin, self._limits, copying)
            export = self._method.begin(scratch, vm, bench.packing.host)
        if not is_ours(export.image):
            raise BackupError(f"the method {self._task.method} calls its image {export.image!r}; see is_ours")
        standing = self._standing(export, scratch)
        self._enter("metadata")
        small = {"ova.xml": self._metadata(export)}
        small |= files_for_people(vm, [original for _, original in export.disks])
        files = [delivery.store_small("metadata", name, data) for name, data in small.items()]
        self._enter("export")
        image, evidence = self._store_image(export)
        self._enter("publish")
        manifest = bench.manifest(
            method=self._task.method,
            started=self._started,
            snapshot_time=moment,
            vm=vm,
            image=self._image(export, evidence),
            files=(image, *files),
            exported=export.exported,
            left_out=[disk for disk in vm.disks if disk.unwanted],
        )
        unpack = bench.packing.compressor.unpack if bench.packing.compressor else ""
        files.append(delivery.store_small("guide", GUIDE, guide(manifest, unpack)))
        files.append(delivery.store_small("guide", SUMS, sums((image, *files))))
        delivery.publish(manifest.model_copy(update={"files": (image, *files)}))
        if standing:
            scratch.let_stand(standing, vm, bench.run.job, bench.installation.id)
        self._enter("cleanup")

    def _standing(self, export: Export, scratch: PoolScratch) -> Intent | None:
        """Return what the journal has of a copy that is to stay. Raises BackupError unless it is planned and exported.

        An image of something else would prove nothing of the copy.
        """
        if export.stays is None:
            return None
        standing = scratch.standing(export.stays)
        exported = {disk.uuid for disk, _ in export.disks}
        if exported != {disk.uuid for disk in export.stays.disks} or not self._method.keeps_copy_on(self._task.vm):
            raise BackupError(
                f"the method {self._task.method} wants {export.stays.name!r} to stay, which it has not planned or does "
                "not export"
            )
        return standing

    @contextmanager
    def _told_of_snapshot(self, vm: VM) -> Iterator[None]:
        """Tell the site's own commands before and after a snapshot; a VM that is exported as it is has none.

        Those after it are told whatever became of it and of those before it: they let go what those hold.
        """
        if not self._method.snapshots(vm):
            yield
            return
        run, hooks, made = self._bench.run, self._bench.listeners.hooks, False
        try:
            self._enter("before-snapshot")
            hooks.before_snapshot(run, vm, self._task.method)
            self._enter("snapshot")
            yield
            made = True
        finally:
            hooks.after_snapshot(run, vm, self._task.method, made=made)

    def _metadata(self, export: Export) -> bytes:
        """Fetch the VM record and all that belongs to it: a tar that holds `ova.xml` alone (xapi: export.ml)."""
        query = {"ref": export.subject, "export_snapshots": "false"}
        request = Request("/export_metadata", query, f"metadata of {self._task.vm.name}")
        with download(self._bench.session, self._bench.journal, request, self._limits) as stream:
            try:
                data = read_all(stream.pieces(), METADATA_LIMIT)
                with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                    member = archive.extractfile("ova.xml")
                    ova = member.read() if member else b""
            except (ValueError, KeyError, tarfile.TarError) as error:
                raise stream.reason() or TransferError(f"{request.doing}: not a metadata export: {error}") from error
            stream.finish()
        read_ova(ova)
        return ova

    def _store_image(self, export: Export) -> tuple[StoredFile, Evidence]:
        """Stream the image: pool → check → digest → compression → digest → targets."""
        bench, compressor = self._bench, self._bench.packing.compressor
        request = Request(export.handler, export.query, f"export of {self._task.vm.name}")
        name = export.image + (compressor.suffix if compressor else "")
        with download(bench.session, bench.journal, request, self._limits) as stream:
            stages = Stages()
            bench.watcher.streaming(self._task, stages)
            proof, clock = Proof(stream, export.check(), stages.reading), stages.packing
            with closing(ahead(proof.pieces())) as pieces:
                arriving = clock.passing(pieces, WAITS, CHECKS)
                passing = counted(arriving, lambda size: bench.watcher.sent(self._task, size))
                content = stored = Meter(passing, "xxh3-128" if compressor else "sha256")
                if compressor:
                    packed = compressor.compress(clock.passing(content, CHECKS, COMPRESSION))
                    stored = Meter(clock.passing(packed, COMPRESSION, CHECKS))
                slicing = Slicing(stored)
                try:
                    self._delivery.store(name, clock.passing(slicing, CHECKS, WAITS), stages)
                finally:
                    self._read = proof.read
        file = stored_file("image", name, content, stored, compressor.name if compressor else None)
        file = file.model_copy(update={"slices": slicing.slices})
        if export.packed:
            file = file.model_copy(update={"compressor": export.packed, "packed_by": "host"})
        return file, proof.evidence

    def _image(self, export: Export, evidence: Evidence) -> Image:
        """Describe the image's disks by what was seen of each; a raw or VHD stream does not name its only one."""
        seen = {disk.uuid: disk for disk in evidence.disks}
        disks = []
        for snapshot, original in export.disks:
            proof = seen.get(snapshot.uuid) or evidence.disks[0]
            disks.append(
                ImageDisk(
                    uuid=snapshot.uuid,
                    name=original.name,
                    position=original.position,
                    device=original.device,
                    virtual_size=proof.virtual_size,
                    blocks=proof.blocks,
                    data_bytes=proof.data_bytes,
                    blocks_digest=proof.blocks_digest,
                    original_uuid=original.uuid,
                )
            )
        return Image.model_validate({"format": evidence.format, "size": evidence.size, "disks": disks})
