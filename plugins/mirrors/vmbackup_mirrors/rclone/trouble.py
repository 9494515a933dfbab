"""What rclone's exit codes mean (rclone's documentation, "Exit code"), and what to do about them. Pure."""

import re

from vmbackup import TargetError, TargetLost
from vmbackup_mirrors.program import Ended

NO_FOLDER, NO_FILE = 3, 4
_MEANINGS = {
    2: "it does not know an option",
    NO_FOLDER: "there is no such folder",
    NO_FILE: "there is no such file",
    5: "a passing error",
    7: "what trying again does not mend",
    8: "the limit of what may be transferred",
}
_ADVICE = {
    2: "rclone 1.60 or later is needed.",
    NO_FOLDER: "The mirror's folder must exist, lest an unmounted disk be missed: rclone mkdir REMOTE",
}
_STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
_LINES, _LENGTH = 2, 400


def failed(label: str, doing: str, ended: Ended) -> TargetError:
    """Return the error for an rclone that did not end with 0; `doing` is what it was to do."""
    lines = [_STAMP.sub("", line).strip() for line in ended.said.splitlines() if line.strip()]
    words = " / ".join(lines[-_LINES:])[-_LENGTH:]
    meaning = _MEANINGS.get(ended.code, "")
    lost = ended.code in {1, 5} and re.search(r"dial |connection|timeout|EOF|network", words) is not None
    return (TargetLost if lost else TargetError)(
        f"mirror {label}: {doing}: rclone ended with {ended.code}{f', {meaning}' if meaning else ''}: {words}",
        advice=_ADVICE.get(ended.code, "Try it by hand: rclone lsf REMOTE"),
    )
