"""The records on disk: a line of JSON for every change, so that a kill at any instant loses none that was answered."""

import json
from pathlib import Path
from typing import IO

from vmbackup.simulator.database import Database, Record, Touched
from vmbackup.simulator.schema import MODEL

_VOLATILE = frozenset({"session", "task"})


class Journal:
    """Keeps a database in `records.jsonl`: the first lines hold all records, the following what changed since."""

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self._path = folder / "records.jsonl"
        self._file: IO[str] | None = None

    def load(self) -> bool:
        """Read the records back, those of attached streams excepted; False when there are none."""
        if not self._path.exists():
            return False
        for line in self._path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # a torn last line was never answered
                self._replay(json.loads(line))
        return bool(self._db.table("pool"))

    def _replay(self, rows: list[tuple[str, str, Record | None]]) -> None:
        for cls, ref, record in rows:
            if record is None:
                self._db.table(cls).pop(ref, None)
            else:
                self._db.load(cls, ref, record)

    def start(self) -> None:
        """Write all records anew, replace the old file, and keep every change from now on."""
        partial = self._path.with_suffix(".part")
        with self._db.changed:
            self._file = partial.open("w", encoding="utf-8")
            for cls in MODEL.classes:
                self._write([(cls, ref) for ref in self._db.table(cls)])
            self._file.flush()
            partial.replace(self._path)
            self._db.keep = self._write

    def _write(self, touched: Touched) -> None:
        rows = [(cls, ref, self._db.table(cls).get(ref)) for cls, ref in touched if cls not in _VOLATILE]
        if rows and self._file is not None:
            self._file.write(json.dumps(rows) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Stop keeping."""
        with self._db.changed:
            self._db.keep = lambda _: None
            if self._file is not None:
                self._file.close()
                self._file = None
