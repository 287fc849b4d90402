"""`nox -s bench -- report`: what a report of ten thousand cells costs to write, to keep and to look through.

A real Chromium shows it, beside one of a tenth of the cells: how much more a cell costs is the ratio.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from bench.folders import measure_report
from orchestrator.report.html import write_html
from orchestrator.report.junit import junit_xml
from orchestrator.report.summary import summary_markdown
from tests.browser.chromium import chromium
from tests.unit import run_factory as factory
from tests.unit.large_run import write_large

CELLS: Final = 10_000
TENTH: Final = CELLS // 10
FIRST_SCREEN: Final = 1000.0
"""Milliseconds from asking for the overview to its grid."""
FILTERED: Final = 100.0
"""Milliseconds from a letter in the search box to the laid out page."""
KINDS: Final = {"overview": "*.html", "cells' own pages": "cells/**/*.html", "packs": "assets/packs/*.js"}
TEXTS: Final = ("s", "sigsegv", "getenv 2.31", "arm64")
FILTER: Final = """(text) => {
    const box = document.getElementById("text"), start = performance.now();
    box.value = text;
    box.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    return performance.now() - start;
}"""
LOADED: Final = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def measure(rounds: int) -> int:
    """Print seconds, megabytes and milliseconds; exit code 1 where a page takes longer than it may."""
    cheap = measure_report()
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = write_large(Path(name) / "all", CELLS)
        _measure_writing(folder)
        tenth = write_large(Path(name) / "tenth", TENTH)
        factory.render(tenth)
        with chromium() as browser:
            page = browser.new_page()
            large: tuple[list[float], list[float]] = ([], [])
            small: tuple[list[float], list[float]] = ([], [])
            for _ in range(max(3, rounds)):
                _look(page, folder, *large)
                _look(page, tenth, *small)
    first = _compare("first screen", FIRST_SCREEN, large[0], small[0])
    return int(not (_compare("filtered", FILTERED, large[1], small[1]) and first and cheap))


def _measure_writing(folder: Path) -> None:
    start = time.monotonic()
    data = factory.load(folder)
    read = time.monotonic()
    write_html(data)
    html = time.monotonic()
    junit, summary = len(junit_xml(data)), len(summary_markdown(data))
    done = time.monotonic()
    _say(
        f"{CELLS:,} cells: read in {read - start:.1f} s, HTML in {html - read:.1f} s "
        f"({(html - read) / CELLS * 1000:.1f} ms a cell), JUnit and summary in {done - html:.1f} s"
    )
    sizes = {kind: _size(folder, pattern) for kind, pattern in KINDS.items()}
    _say(", ".join(f"{kind} {size / 1e6:.1f} MB" for kind, size in sizes.items()))
    _say(f"HTML in all {sum(sizes.values()) / 1e6:.1f} MB")
    _say(f"JUnit {junit / 1e6:.1f} MB, summary {summary / 1e6:.2f} MB")


def _look(page: Page, folder: Path, first: list[float], filtered: list[float]) -> None:
    """Open the overview anew and type each text; the slowest text counts."""
    page.goto("about:blank")
    page.goto((folder / "index.html").as_uri())
    page.locator("#grid").wait_for()
    first.append(page.evaluate(LOADED))
    page.evaluate(FILTER, "")
    filtered.append(max(page.evaluate(FILTER, text) for text in TEXTS))


def _compare(what: str, limit: float, large: list[float], small: list[float]) -> bool:
    """Whether the median of the large report is within the limit."""
    taken, less = statistics.median(large), statistics.median(small)
    _say(
        f"{what} in Chromium: {taken:.0f} ms (may be {limit:.0f}); {less:.0f} ms with {TENTH:,} cells: "
        f"ten times the cells take {taken / less:.1f} times as long"
    )
    return taken <= limit


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
