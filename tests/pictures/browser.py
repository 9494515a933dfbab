"""Debian's Chromium without a screen: what a page looks like and what it does, in light, dark or print, at a width."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1280}
Look = Literal["light", "dark", "print"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a page is at one width: how wide its content is, and the colours of its ground and its text."""

    width: int
    content: int
    ground: str
    ink: str


class Browser:
    """One browser for many pages."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, page: Path, look: Look = "light", width: int = 1280) -> None:
        """Show a file at a width, in CSS pixels."""
        self.look(look, width)
        self._driver.get(page.as_uri())

    def look(self, look: Look, width: int) -> None:
        """Show what is open otherwise."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < WIDTHS["tablet"]}
        scheme = "dark" if look == "dark" else "light"
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self._driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "media": "print" if look == "print" else "screen",
                "features": [{"name": "prefers-color-scheme", "value": scheme}],
            },
        )

    def run(self, script: str) -> object:
        """Run a function body in the page, and return what it returns."""
        value: object = self._driver.execute_script(script)
        return value

    def measured(self) -> Measured:
        """Measure what is shown."""
        found = self.run(
            "const style = getComputedStyle(document.body);"
            "return {width: innerWidth, content: document.documentElement.scrollWidth,"
            " ground: style.backgroundColor, ink: style.color}"
        )
        assert isinstance(found, dict)
        return Measured(**found)

    def _log(self, kind: str) -> list[dict[str, str]]:
        lines: list[dict[str, str]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]
        return lines

    def said(self) -> list[str]:
        """What the console has said since this was last asked: errors of scripts, refused styles, files not found."""
        return [str(line["message"]) for line in self._log("browser")]

    def asked_for(self) -> list[str]:
        """The addresses that pages have asked for since this was last asked."""
        events = (json.loads(line["message"])["message"] for line in self._log("performance"))
        return [
            str(event["params"]["request"]["url"]) for event in events if event["method"] == "Network.requestWillBeSent"
        ]

    def forget(self) -> None:
        """Forget what was said and asked for."""
        self.said()
        self.asked_for()

    def picture(self, path: Path, *, height: int | None = None) -> None:
        """Keep what is shown as a PNG: the whole page, or so much of it."""
        size = self._driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        made = self._driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
        path.write_bytes(base64.b64decode(made["data"]))

    def printed(self) -> bytes:
        """What is shown, as a PDF on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False, "preferCSSPageSize": True}
        return base64.b64decode(self._driver.execute_cdp_cmd("Page.printToPDF", paper)["data"])


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser whose files lie in `profile`, and end it."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver") or "/usr/bin/chromedriver"))
    try:
        started = Browser(driver)
        # What the browser loads for its own first page is nobody's.
        driver.get("about:blank")
        started.forget()
        yield started
    finally:
        driver.quit()
