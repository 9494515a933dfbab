"""The dump of the pool database: secrets inside, so readable by its owner only, with a retention of its own."""

from contextlib import closing
from datetime import UTC, datetime
from xml.parsers import expat

from typing_extensions import Buffer

from vmbackup.bench import Bench, stored_file
from vmbackup.delivery import Delivery
from vmbackup.errors import ImageError
from vmbackup.images import Evidence, ImageCheck
from vmbackup.metadata import SUMS, sums
from vmbackup.proof import Proof
from vmbackup.repository import POOL_DATABASE
from vmbackup.results import Outcome
from vmbackup.stages import Stages
from vmbackup.stream import Meter
from vmbackup.xapi.transfers import Request, download

METHOD = "pool-database"
DUMP = "pool.xml"


class DumpCheck(ImageCheck):
    """Whole XML with `database` for its root, and no entities of its own (xapi: pool_db_backup.ml)."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._element
        self._root: str | None = None
        self._size = 0

    def feed(self, piece: Buffer) -> Buffer:
        """Parse on, and keep everything."""
        self._parse(bytes(piece), final=False)
        self._size += memoryview(piece).nbytes
        return piece

    def close(self) -> Evidence:
        """The document must be complete."""
        self._parse(b"", final=True)
        return Evidence("xml", self._size, ())

    def _parse(self, data: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            raise ImageError(f"the dump of the pool database is broken: {error}", position=self._size) from None

    def _element(self, name: str, _attributes: dict[str, str]) -> None:
        if self._root is None:
            self._root = name
            if name != "database":
                raise ImageError(f"a dump of the pool database does not begin with <{name}>", position=self._size)

    def _refuse(self, *_declaration: object) -> None:
        raise ImageError("a dump of the pool database declares no document type", position=self._size)


def dump_pool_database(bench: Bench) -> tuple[Outcome, ...]:
    """Store the dump as a backup of its own, and return what came of it on each target. The caller cleans up.

    Raises PoolError, TransferError or ImageError where there is no dump to store, TargetError where no target is left.
    """
    started = datetime.now(UTC)
    delivery = Delivery(bench, f"{POOL_DATABASE}/{started:%Y%m%dT%H%M%SZ}-{bench.run.id[:4]}")
    delivery.begin(started)
    request = Request("/pool/xmldbdump", {}, "dump of the pool database")
    stages = Stages()
    with (
        download(bench.session, bench.journal, request, bench.limits) as stream,
        closing(Proof(stream, DumpCheck(), stages.reading).pieces()) as pieces,
    ):
        meter = Meter(pieces)
        delivery.store(DUMP, meter, stages)
    dump = stored_file("pool-database", DUMP, meter, meter)
    files = (dump, delivery.store_small("guide", SUMS, sums([dump])))
    delivery.publish(
        bench.manifest(method=METHOD, started=started, snapshot_time=started, vm=None, image=None, files=files)
    )
    return delivery.outcomes
