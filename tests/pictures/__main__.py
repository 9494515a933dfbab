"""`make images`: the pictures in docs/images, of pages of a made-up history, small enough to be kept."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import oxipng
from PIL import Image
from tests.pictures.browser import WIDTHS, Browser, browser
from tests.pictures.history import history, holdings, kept_backups

from vmbackup import report_page
from vmbackup.website import pages, publish

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 150 << 10
# Of a long page so much, in pixels.
HEIGHTS = {"phone": 1700, "desktop": 1500}
COLOURS = 128
PAPER = 794


def draw(folder: Path, chromium: Browser, work: Path) -> None:
    """Write all pictures into a folder."""
    runs = history()
    report = work / "report.html"
    report.write_text(report_page(runs[0], runs[1:]))
    publish(pages(holdings(runs, kept_backups(runs[:30]))), work / "site")
    machine = next((work / "site" / "vms").glob("PROD-gitlab--*"))
    index = work / "site" / "index.html"
    desktop, phone = WIDTHS["desktop"], WIDTHS["phone"]
    shots: Mapping[str, Callable[[], None]] = {
        "report-light": lambda: chromium.open(report, "light", desktop),
        "report-dark": lambda: chromium.open(report, "dark", desktop),
        "report-phone": lambda: chromium.open(report, "light", phone),
        "report-print": lambda: chromium.open(report, "print", PAPER),
        "site-index": lambda: chromium.open(index, "light", desktop),
        "site-dark": lambda: chromium.open(index, "dark", desktop),
        "site-phone": lambda: chromium.open(index, "light", phone),
        "site-print": lambda: chromium.open(index, "print", PAPER),
        "site-vm": lambda: chromium.open(machine, "dark", desktop),
    }
    for name, show in shots.items():
        show()
        if name.endswith("print"):
            # A picture has no margins of a sheet.
            chromium.run("document.body.style.padding = '14mm'")
        path = folder / f"{name}.png"
        chromium.picture(path, height=HEIGHTS["phone" if name.endswith("phone") else "desktop"])
        _shrink(path)
        sys.stdout.write(f"{path.name} {path.stat().st_size:,} bytes\n")
        if path.stat().st_size > LARGEST:
            sys.exit(f"{path} is larger than {LARGEST:,} bytes")


def _shrink(path: Path) -> None:
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path)
    oxipng.optimize(path, level=4)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work, browser(Path(work) / "browser") as chromium:
        draw(FOLDER, chromium, Path(work))
