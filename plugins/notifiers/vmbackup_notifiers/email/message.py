"""A report as a mail: a text and an HTML part that say the same, and the whole report beside them where it is long."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from vmbackup import Report, report_text
from vmbackup_notifiers.subject import subject

if TYPE_CHECKING:
    from jinja2 import Template

# A mail should be read on a telephone: beyond so many lines the VMs that are good are only in the attachment.
LONG: Final = 120
# Where the text has a line for each VM, and how the one above them begins.
_VMS: Final = 2
_HEAD: Final = " " * 7
Line = tuple[str, str]


def message(report: Report, label: str, sender: str, recipients: Sequence[str], now: datetime) -> EmailMessage:
    """Return the mail of the notifier `label`; each time it is made for a report, it has the same Message-ID."""
    mail = EmailMessage()
    mail["Subject"] = f"[vmbackup] {subject(report)}"
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(now)
    # Whoever gets it twice can tell. The domain is the sender's: asking for this host's can wait for a name server.
    own = sha256(f"{report.run.id} {label}".encode(errors="backslashreplace")).hexdigest()[:32]
    mail["Message-ID"] = f"<{own}.vmbackup@{sender.rpartition('@')[2]}>"
    # So that nobody's holiday reply comes back (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    lines = report_text(report).splitlines()
    kinds = list(_kinds(report, lines))
    shown = list(zip(kinds, lines, strict=True))
    if len(lines) > LONG:
        shown = _shortened(shown)
    # Safe with servers that take seven bits and short lines only.
    mail.set_content("".join(f"{line}\n" for _, line in shown), cte="quoted-printable")
    page = _template().render(title=shown[0][1], result=report.result, lines=shown[1:])
    mail.add_alternative(page, subtype="html", cte="quoted-printable")
    if len(lines) > LONG:
        whole, name = "".join(f"{line}\n" for line in lines), f"report-{report.run.started:%Y%m%dT%H%M%SZ}.txt"
        mail.add_attachment(whole, filename=name, cte="quoted-printable")
    return mail


@cache
def _template() -> "Template":
    # Every command imports the notifiers, and few send a mail.
    from jinja2 import Environment, PackageLoader  # noqa: PLC0415 - see above

    loader = PackageLoader("vmbackup_notifiers.email")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("mail.html")


def _shortened(lines: Sequence[Line]) -> list[Line]:
    left = [(kind, line) for kind, line in lines if kind != "good"][:LONG]
    note = f"{len(lines) - len(left)} of {len(lines)} lines are left out here: the whole report is attached."
    return [left[0], ("plain", ""), ("plain", note), *left[1:]]


def _kinds(report: Report, lines: Sequence[str]) -> Iterator[str]:
    """Say of each line of the text how it is to look. Paragraphs are parted by empty lines; the third has the VMs."""
    paragraph = 0
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        paragraph += not line
        first = line.split(maxsplit=1)[:1]
        of_vms = paragraph == _VMS and bool(report.results)
        if of_vms and first == ["good"]:
            yield "good"
        elif of_vms and first in (["FAILED"], ["partly"]):
            yield "bad"
        elif of_vms and line.startswith(_HEAD):
            yield "head"
        elif line.lstrip().startswith("→"):
            yield "advice"
        else:
            yield "title" if line and not line.startswith(" ") and following.startswith(" ") else "plain"
