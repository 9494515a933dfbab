"""A program of its own: sends messages by apprise, each a line of JSON on standard input, and says how that went.

As a process of its own it can be ended where it hangs, and nothing that apprise and its libraries change, print or log
reaches vmbackup: they write addresses, which are secrets here, into their logs.
"""

import contextlib
import json
import logging
import re
import sys
from urllib.parse import unquote

# Shorter parts of an address are words such as `#ops`, which need not be hidden.
SHORT = 5


def main() -> None:
    """Answer each line with `sent`, and with `why` where it was not: `missing`, `url`, or what apprise says."""
    for line in sys.stdin:
        given = json.loads(line)
        # Only the answer may go to standard output.
        with contextlib.redirect_stdout(sys.stderr):
            answer = send(given["url"], given["title"], given["body"], given["kind"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def send(url: str, title: str, body: str, kind: str) -> dict[str, object]:
    """Send it, and say how that went; nothing of the address is in that but its scheme."""
    try:
        import apprise  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        return {"sent": False, "why": "missing"}
    service = apprise.Apprise.instantiate(url)
    if service is None:
        return {"sent": False, "why": "url"}
    messenger = apprise.Apprise()
    messenger.add(service)
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        sent = messenger.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
        words = said.getvalue()
    return {"sent": bool(sent), "why": hidden(words, url)}


def hidden(text: str, url: str) -> str:
    """Return the text without any part of an address."""
    _, _, rest = url.partition("://")
    parts = {part for each in (rest, unquote(rest)) for part in [each, *re.split(r"[/:@?&=#,+\s]+", each)]}
    for part in sorted((part for part in parts if len(part) >= SHORT), key=len, reverse=True):
        text = text.replace(part, "***")
    return text


if __name__ == "__main__":
    main()
