"""A report as a mail: a text and an HTML part that say the same, and the whole report beside them where it is long."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from jinja2 import Environment, PackageLoader

from vmbackup import Report, report_text
from vmbackup_notifiers.subject import subject

# A mail should be read on a telephone: beyond so many lines the VMs that are good are only in the attachment.
LONG: Final = 120
_PAGES: Final = Environment(
    loader=PackageLoader("vmbackup_notifiers.email"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


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
    shown = lines if len(lines) <= LONG else _shortened(lines)
    # Safe with servers that take seven bits and short lines only.
    mail.set_content("\n".join(shown) + "\n", cte="quoted-printable")
    mail.add_alternative(_page(report, shown), subtype="html", cte="quoted-printable")
    if shown is not lines:
        mail.add_attachment(
            "\n".join(lines) + "\n", filename=f"report-{report.run.started:%Y%m%dT%H%M%SZ}.txt", cte="quoted-printable"
        )
    return mail


def _shortened(lines: Sequence[str]) -> list[str]:
    bad = [line for line in lines if not line.startswith("  good ")]
    left = bad[:LONG]
    note = f"{len(lines) - len(left)} of {len(lines)} lines are left out here: the whole report is attached."
    return [left[0], "", note, *left[1:]]


def _page(report: Report, lines: Sequence[str]) -> str:
    following = [*lines[1:], ""]
    kinds = [_kind(*each) for each in zip(lines, following, strict=True)]
    return _PAGES.get_template("mail.html").render(
        title=lines[0], result=report.result, lines=list(zip(kinds, lines, strict=True))[1:]
    )


def _kind(line: str, following: str) -> str:
    """Say how a line of the text is to look; one that stands above what is further in is a title."""
    if line.startswith("  good "):
        return "good"
    if line.startswith("  FAILED "):
        return "bad"
    if line.lstrip().startswith("→"):
        return "advice"
    return "title" if line and not line.startswith(" ") and following.startswith(" ") else "plain"
