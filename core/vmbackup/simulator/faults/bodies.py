"""Rules for the body of an HTTP handler, on its way out or in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

TaskEnd = Literal["failure", "success", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """A rule for a request to a handler; `path` is the whole path, `about` must be in the request's target.

    `nth` is which matching request, None for every one; with `onwards` the later ones too.
    """

    path: str = "/export"
    nth: int | None = 1
    about: str = ""
    onwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRule(PathRule):
    """A rule for a body, of an upload too unless it says otherwise. Offsets count its bytes as they are on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRule(BodyRule):
    """A rule that strikes after so many bytes of a body; of an import they may be counted from where its records are.

    `since` as `records` counts from the moment when a VM import has made its records and begins to read disks.
    """

    after: int
    since: Literal["start", "records"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(PlaceRule):
    """The connection is closed in good order (FIN) after so many bytes; the task ends as told."""

    task: TaskEnd = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(PlaceRule):
    """The connection is reset (RST) after so many bytes; the task ends as told."""

    task: TaskEnd = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDies(PlaceRule):
    """The host goes away after so many bytes, the task stays pending; the other arguments are those of `Outage`."""

    seconds: float | None = None
    connections: Literal["reset", "silent"] = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(BodyRule):
    """The byte at this offset arrives inverted; the task says success. Not for uploads."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInBody(PlaceRule):
    """After so many bytes the work fails with this error: the text of an HTTP 500, the end, and a failed task.

    An upload is read so far, and then the same.
    """

    code: str = "SR_BACKEND_FAILURE_200"
    params: tuple[str, ...] = ("", "Any I/O error [opterr=simulated]", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyHook(PlaceRule):
    """`run` is called when so many bytes have been sent, or read."""

    run: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyTap(BodyRule):
    """`hear` is given every piece of the body as it is sent, with what other rules did to it. Not for uploads."""

    hear: Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(PlaceRule):
    """After so many bytes no more pass for some seconds, or until the rule is taken back; then it goes on.

    Meanwhile the task's progress stands still or goes on creeping. The wait ends early when the task is cancelled or
    the client is gone, unless it is `deaf`.
    """

    seconds: float | None = None
    progress: Literal["stands", "moves"] = "stands"
    deaf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(BodyRule):
    """The body passes with no more than so many bytes per second."""

    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEndsEarly(BodyRule):
    """The task says success after so many bytes; the body goes on. Not for uploads."""

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRule(BodyRule):
    """A rule for a block of a disk that is sent: `disk` in order of the stream, `block` in MiB (-1 is the last).

    When an XVA leaves that block out, the next one that is sent is meant. The blocks of a raw or VHD stream have 2 MiB.
    The task says success.
    """

    disk: int = 0
    block: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOutBlock(BlockRule):
    """The block is never sent, as if it held nothing but zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatBlock(BlockRule):
    """The block is sent twice; in a raw or VHD stream all that follows it moves on by 2 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapBlocks(BlockRule):
    """The block changes places with the one that is sent after it; the last one stays where it is.

    In an XVA the numbers show it, in a VHD the allocation table, in a raw stream nothing does.
    """

    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongChecksum(BlockRule):
    """The checksum behind the block is another one; in a VHD that of the footer, and a raw stream has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTarInsideFrame(BodyRule):
    """The tar ends after so many bytes (before compression) but the gzip or zstd frame ends validly.

    As xapi does it, the task fails and the text of a 500 follows; `silent`: no text, and the task says success.
    """

    after: int
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDetach(BodyRule):
    """Each disk stays attached to the control domain for so many seconds after its stream, or until taken back."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFails(BodyRule):
    """The whole body is sent or read, and then the task fails."""

    code: str = "INTERNAL_ERROR"
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGone(BodyRule):
    """The whole body is sent or read, and then the task vanishes (`HANDLE_INVALID`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSlow(BodyRule):
    """The whole body is sent or read, the connection is closed, and the task stays pending for so many seconds more."""

    seconds: float
