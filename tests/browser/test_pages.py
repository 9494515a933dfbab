"""What people see: the pages in a real browser, at three widths, in light, dark and print."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pictures.browser import WIDTHS, Browser, Look
from tests.pictures.history import history, holdings

from vmbackup import report_mail, report_page
from vmbackup.conformance.reports import MANY, reports
from vmbackup.results import Report
from vmbackup.website import pages, publish

RUNS = history(40)
SHAPES = reports()
HARM = """<script>window.harmed = 1</script><img src="x" onerror="window.harmed = 2">\
"' onmouseover='window.harmed = 3' style="background: url(http://192.0.2.1/)">\
</title></style></svg><svg onload="window.harmed = 4">"""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# The least contrast of text with what is behind it that people can read well (WCAG 2, level AA).
CONTRAST = 4.5
LEAST_CONTRAST = """
const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = parts(colour).slice(0, 3).map((each) => {
    const share = each / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
let least = [99, "nothing"];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !element.getClientRects().length || element.tagName === "title") continue;
  const style = getComputedStyle(element);
  const [ink, ground] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
  const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  if (contrast < least[0]) least = [contrast, element.outerHTML.slice(0, 120)];
}
return least;
"""
CODE = """
const inner = [...document.querySelectorAll("*")];
return [
  window.harmed === undefined ? "" : "harmed",
  ...inner.map((each) => each.tagName).filter((name) => /^(script|img|iframe|object|embed|base|form)$/i.test(name)),
  ...inner.flatMap((each) => each.getAttributeNames()).filter((name) => /^on/i.test(name)),
].filter(Boolean);
"""


def harmful(name: str) -> list[Report]:
    """Runs in which everything that somebody else may choose is called `name`, as often as charts need."""
    (shape,) = (one for key, one in SHAPES.items() if key.startswith("a run of what is called '<script>"))
    called = replace(
        shape,
        run=replace(shape.run, job=name, pool=replace(shape.run.pool, name=name, product=name)),
        results=tuple(replace(result, vm=name, method=name) for result in shape.results),
        failures=tuple(replace(one, step=name, code=name, message=name, advice=name) for one in shape.failures),
        inventory=tuple(replace(one, vm=name, taken=False) for one in shape.inventory),
        rehearsals=tuple(one.model_copy(update={"name": name}) for one in SHAPES["a run with rehearsals"].rehearsals),
    )
    return [replace(called, run=replace(called.run, id=f"{number}" * 16)) for number in range(3)]


EMPTY = holdings((), ())
PAGES: Mapping[str, str] = {
    "usual": report_page(RUNS[0], RUNS[1:]),
    "all failed": report_page(SHAPES["a failed run"]),
    "interrupted": report_page(SHAPES["a run that was interrupted"], RUNS),
    "nothing": report_page(SHAPES["a run without anything"]),
    "many": report_page(SHAPES["a run of many VMs"], [replace(SHAPES["a run of many VMs"], run=RUNS[1].run)]),
    "stock": report_page(SHAPES["a run that took stock"]),
    "long name": report_page(SHAPES["a run of what is called " + ascii("x" * 4000)[:40]], RUNS),
    "harm": report_page(harmful(HARM)[0], harmful(HARM)[1:]),
    "mail": report_mail(RUNS[0]),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with all that one can have."""
    folder = tmp_path_factory.mktemp("site")
    runs = (*RUNS[:3], *harmful(HARM))
    publish(pages(holdings(runs, away=(("usb", "there is no vmbackup-target.json on it"),))), folder)
    publish(pages(EMPTY), folder / "empty")
    return folder


def shown_well(chromium: Browser, page: Path) -> None:
    """Everything that must be true of a page however it is looked at."""
    grounds: set[str] = set()
    chromium.open(page)
    for look in ("light", "dark", "print"):
        shown(chromium, look, grounds)
    assert len(grounds) == 3, "light, dark and paper have grounds of their own"


def shown(chromium: Browser, look: Look, grounds: set[str]) -> None:
    for width in WIDTHS.values():
        chromium.look(look, width)
        measured = chromium.measured()
        assert measured.content <= width, f"{look}: {measured.content} pixels wide on a screen of {width}"
        least = chromium.run(LEAST_CONTRAST)
        assert isinstance(least, list)
        assert least[0] >= CONTRAST, f"{look}, {width}: {least}"
    grounds.add(measured.ground)


@pytest.mark.parametrize("kind", [kind for kind in PAGES if kind != "mail"])
def test_a_report_is_shown_well(chromium: Browser, saved: Path, kind: str) -> None:
    chromium.forget()
    saved.write_text(PAGES[kind])
    shown_well(chromium, saved)
    assert chromium.said() == []
    assert [url for url in chromium.asked_for() if not url.startswith("data:")] == [saved.as_uri()]


def test_a_mail_fits_and_can_be_read(chromium: Browser, saved: Path) -> None:
    saved.write_text(PAGES["mail"])
    chromium.open(saved)
    shown(chromium, "light", set())


def test_pages_of_a_site_are_shown_well_and_ask_for_nothing_else(chromium: Browser, site: Path) -> None:
    chromium.forget()
    looked_at = [site / "index.html", site / "empty" / "index.html"]
    looked_at += [
        next((site / kind).glob(name))
        for kind, name in (("vms", "PROD-gitlab*"), ("vms", "script*"), ("runs", "nightly*"))
    ]
    for page in looked_at:
        shown_well(chromium, page)
    assert chromium.said() == []
    asked = {url for url in chromium.asked_for() if not url.startswith("data:")}
    assert {url for url in asked if not url.endswith("/style.css")} == {page.as_uri() for page in looked_at}
    assert all(url.startswith(site.as_uri()) for url in asked)


def test_every_link_can_be_followed_from_files(chromium: Browser, site: Path) -> None:
    chromium.open(site / "index.html")
    chromium.run("document.querySelector('main table a').click()")
    assert chromium.run("return document.querySelector('.over').textContent") == "Virtual machine"
    chromium.run("document.querySelector('nav a').click()")
    assert chromium.run("return document.querySelector('h1').textContent") == "Backups"
    links = chromium.run("return [...document.links].map((each) => decodeURI(each.href))")
    assert isinstance(links, list)
    assert len(links) >= len(RUNS[:3])
    assert [link for link in links if not Path(str(link).removeprefix("file://")).is_file()] == []


def test_no_name_is_code_wherever_it_stands(chromium: Browser, saved: Path, site: Path) -> None:
    """Without the policy that would hold code back all the same."""
    found = [PAGES["harm"], report_mail(harmful(HARM)[0])]
    found += [path.read_text() for path in site.rglob("*.html") if "harmed" in path.read_text()]
    assert len(found) >= 2 + 1 + 2 + 3
    for page in found:
        saved.write_text(POLICY.sub("", page))
        assert "Content-Security-Policy" not in saved.read_text()
        chromium.open(saved)
        assert chromium.run(CODE) == []
    saved.write_text(POLICY.sub("", PAGES["harm"]))
    chromium.open(saved)
    titles = chromium.run("return [...document.querySelectorAll('svg title')].map((each) => each.textContent)")
    assert isinstance(titles, list)
    assert any(title.startswith("<script>window.harmed") for title in titles), "the name is in the chart, as words"


def test_charts_have_other_colours_in_the_dark(chromium: Browser, saved: Path) -> None:
    saved.write_text(PAGES["usual"])
    chromium.open(saved)
    fills = []
    for look in ("light", "dark"):
        chromium.look(look, WIDTHS["desktop"])
        fills.append(chromium.run("return getComputedStyle(document.querySelector('.chart .color-0 rect')).fill"))
    assert fills[0] != fills[1]


def test_a_page_of_many_vms_has_a_row_each(chromium: Browser, saved: Path) -> None:
    saved.write_text(PAGES["many"])
    chromium.open(saved, width=WIDTHS["phone"])
    assert chromium.run("return document.querySelectorAll('table.data tbody tr').length") == MANY


def test_a_page_prints_on_paper(chromium: Browser, saved: Path) -> None:
    saved.write_text(PAGES["usual"])
    chromium.open(saved, "print")
    printed = chromium.printed()
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") in {2, 3}
