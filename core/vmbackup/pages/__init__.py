"""Pages for people: a report as HTML, its charts and its calendar, and what other pages share with it.

What draws them is imported at the first page: every command imports the face, and few make pages.
"""

from collections.abc import Sequence

from vmbackup.results import Report


def report_page(report: Report, past: Sequence[Report] = (), away: str = "") -> str:
    """Return a report as one HTML page that needs nothing beside itself: for browsers, print and files.

    `past` are earlier runs of its job, in any order, for charts and a calendar; `away` says why there are none, where
    nobody could read them. Every name is escaped.
    """
    from vmbackup.pages.report import filled, with_past  # noqa: PLC0415 - see above

    return filled("report.html", report, with_past(report, past), away)


def report_mail(report: Report) -> str:
    """Return a report as HTML for mail: styles in attributes and no charts, since many mail programs show no others."""
    from vmbackup.pages.report import filled  # noqa: PLC0415 - see above

    return filled("mail.html", report)
