"""What `vmbackup adopt` says, of what it would do and of what it has done."""

from collections.abc import Iterable, Mapping

from vmbackup.adopt import Attempt, Copy, Stranger, particulars, unprovable
from vmbackup.cli.output import console, moment, name, print_json, size, table
from vmbackup.contracts import Names, OtherNames
from vmbackup.errors import VerificationFailed, VerificationUnread
from vmbackup.results import Backup

COLOURS = {"adopted": "green", "already": "dim", "left": "yellow", "wrong": "red", "unread": "yellow"}
NOTHING = "There is nothing of NAU VMbackup's."


class Adoptions:
    """Prints what becomes of each copy, and knows what came of all of them."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._facts: list[dict[str, object]] = []
        self._words: list[str] = []

    def preview(
        self, found: Iterable[Copy | Stranger], done: Mapping[Names, Backup], other: OtherNames, job: str
    ) -> None:
        """Show what would be done with what was `found`, beside what is `done` already; nothing is changed."""
        shown = table("copy", "would be", "taken", "image", "size", "VM", right=("size",))
        for one in found:
            if isinstance(one, Stranger):
                self._keep("left", one.path, one.what)
                shown.add_row(name(one.path), f"{_coloured('left')}: {name(one.what)}")
                continue
            told = particulars(other, one.folder)
            left = one.left or (unprovable(one.image, told) if one.image else "")
            word = "already" if one.folder in done else "left" if left else "adopted"
            self._keep(word, one.path, left, uuid=told.uuid or None)
            image = one.image
            shown.add_row(
                name(one.path),
                f"{_coloured(word)}{': ' if left else ''}{name(left)}",
                moment(one.taken),
                *((f"{image.format}{'.gz' if image.gzip else ''}", size(image.file.size or 0)) if image else ("", "")),
                told.uuid[:8] or "unknown",
            )
        if self._as_json:
            print_json({"job": job, "copies": self._facts})
        elif shown.row_count:
            console().print(shown)
            console().print(
                "Each would be read whole first, and adopted only if it is good; "
                f"retention would go by the job {name(job)}. Nothing was changed.",
                soft_wrap=True,
            )
        else:
            console().print(NOTHING)

    def attempt(self, found: Attempt | Stranger) -> None:
        """Say what became of one."""
        if isinstance(found, Stranger):
            self._keep("left", found.path, found.what)
            self._line("left", found.path, found.what)
            return
        address = found.backup.address if found.backup else None
        self._keep(found.word, found.copy.path, found.message, backup=address)
        what = f"as {address}, {size(found.backup.size)}" if found.backup else found.message
        self._line(found.word, found.copy.path, what)

    def end(self) -> int:
        """Print the last line, and return the exit code."""
        if self._as_json:
            print_json({"copies": self._facts})
        else:
            counted = ", ".join(f"{self._words.count(word)} {word}" for word in COLOURS if word in self._words)
            console().print(counted or NOTHING)
        if "wrong" in self._words:
            return VerificationFailed.exit_code
        return VerificationUnread.exit_code if "unread" in self._words else 0

    def _keep(self, word: str, path: str, message: str, **more: object) -> None:
        self._words.append(word)
        self._facts.append({"copy": path, "is": word, "message": message, **more})

    def _line(self, word: str, path: str, what: str) -> None:
        if not self._as_json:
            console().print(f"{_coloured(word)} {name(path)}: {name(what)}", soft_wrap=True)


def _coloured(word: str) -> str:
    said = "adopted already" if word == "already" else word
    return f"[{COLOURS[word]}]{said}[/]"
