"""Reading stored backups back and proving them again, as thoroughly as is asked for, and keeping what was found."""

from vmbackup.verify.disk import StoredDisk
from vmbackup.verify.keeping import keep, result_of
from vmbackup.verify.levels import Depth
from vmbackup.verify.order import Clock, in_turn
from vmbackup.verify.reading import Tell, content, proving, unpack
from vmbackup.verify.verdict import Verdict, Wrong, verify

__all__ = [
    "Clock",
    "Depth",
    "StoredDisk",
    "Tell",
    "Verdict",
    "Wrong",
    "content",
    "in_turn",
    "keep",
    "proving",
    "result_of",
    "unpack",
    "verify",
]
