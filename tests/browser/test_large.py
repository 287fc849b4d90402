"""Ten thousand cells: small enough to send, and pages that a browser has little to do for.

How long that takes is measured by `nox -s bench -- report`: a clock here would judge the load of the machine.
"""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.unit.large_run import cells

MEGABYTE = 1_000_000
ELEMENTS = 5_000
LISTED = 20


def test_all_that_the_report_writes_can_be_sent(ten_thousand: Path) -> None:
    own = {".html", ".js", ".css", ".xml", ".md"}
    sizes = [path.stat().st_size for path in ten_thousand.rglob("*") if path.suffix in own]
    assert 5 * MEGABYTE < sum(sizes) < 20 * MEGABYTE
    assert len(sizes) < 1000


def test_the_first_screen_needs_four_files_and_few_elements(tab: Tab, ten_thousand: Path) -> None:
    page = tab.page
    page.goto((ten_thousand / "index.html").as_uri())
    expect(page.locator("#told")).to_have_text("10,000 cells")
    files = [Path(url.removeprefix(ten_thousand.as_uri()).lstrip("/")) for url in tab.requests]
    assert sorted(map(str, files)) == ["assets/grid.js", "assets/page.js", "assets/report.css", "index.html"]
    assert sum((ten_thousand / file).stat().st_size for file in files) < 3 * MEGABYTE
    assert 100 < page.locator("*").count() < ELEMENTS
    tab.assert_quiet()


@pytest.mark.parametrize("text", ["s", "sigsegv", "getenv-race 2.31", "arm64", "none of them"])
def test_a_filter_of_ten_thousand_shows_few_elements_and_counts_all(
    text: str, tab: Tab, ten_thousand: Path
) -> None:
    page = tab.page
    page.goto((ten_thousand / "index.html").as_uri())
    data = json.loads(page.locator("#data").text_content() or "")
    tables, columns = data["tables"], (data["ids"], data["seen"], data["why"])
    lines = [
        f"{name} {tables['seen'][seen]} {tables['why'][why]}".lower()
        for name, seen, why in zip(*columns, strict=True)
    ]
    left = sum(all(word in line for word in text.split()) for line in lines[: data["planned"]])
    page.get_by_label("Find").fill(text)
    expect(page.locator("#told")).to_have_text(
        "10,000 cells" if left == len(lines) else f"{left:,} of 10,000 cells"
    )
    assert page.locator("*").count() < ELEMENTS
    assert page.locator("#list tbody tr").count() == min(left, LISTED)
    tab.assert_quiet()


def test_a_cell_without_a_page_of_its_own_opens_and_can_be_named(tab: Tab, ten_thousand: Path) -> None:
    page = tab.page
    page.goto((ten_thousand / "index.html").as_uri())
    packed = next(
        cell.id
        for cell in reversed(cells(10_000))
        if not (ten_thousand / f"cells/{cell.id}/index.html").exists()
    )
    page.get_by_label("Find").fill(packed)
    page.locator("#list").get_by_role("link", name=packed).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(packed)
    page.wait_for_url(re.compile(r"/cell\.html#"))
    expect(page.get_by_role("heading", name="Expected")).to_be_visible()
    assert page.title() == f"pass: {packed}"
    address = page.url
    page.go_back()
    expect(page.locator("#told")).to_have_text("1 of 10,000 cells")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(packed)
    page.get_by_role("link", name="result.json").click()
    page.wait_for_url("**/result.json")
    tab.assert_quiet()


def test_a_shared_page_says_which_cell_it_does_not_have(tab: Tab, ten_thousand: Path) -> None:
    tab.page.goto((ten_thousand / "cell.html").as_uri() + "#no/<img src=x onerror=alert(1)>")
    expect(tab.page.get_by_text("this run has no cell no/<img src=x onerror=alert(1)>")).to_be_visible()
    tab.assert_quiet()


def test_every_planned_cell_is_on_a_page_or_in_a_pack(ten_thousand: Path) -> None:
    own = [cell for cell in cells(10_000) if (ten_thousand / f"cells/{cell.id}/index.html").is_file()]
    assert len(own) == 500
    assert len(list((ten_thousand / "assets/packs").glob("*.js"))) == 149
