"""Where on a mirror backups lie, told from the names of files alone. Pure."""

import re
from collections.abc import Iterable
from typing import Final

MANIFEST: Final = re.compile(r"manifest(\.[0-9]+)?\.json")
BEGUN, TRASH = "begun.json", "trash.json"
POOL_DATABASE: Final = "pool-database"
# Folders of a target that hold no backups.
OTHERS: Final = frozenset({"runs", "rehearsals"})
_IN_A_BACKUP: Final = re.compile(rf"((?:{POOL_DATABASE}|[^/]+/[^/]+)/[0-9TZ]+-[0-9a-f]+)/([^/]+)")


def found(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the folders of backups that are whole, and those whose removal has begun, among the files of a place."""
    whole, trashed = set(), set()
    for key in keys:
        match = _IN_A_BACKUP.fullmatch(key)
        if match is None or match[1].partition("/")[0] in OTHERS:
            continue
        if match[2] == TRASH:
            trashed.add(match[1])
        elif MANIFEST.fullmatch(match[2]):
            whole.add(match[1])
    return sorted(whole - trashed), sorted(trashed)
