"""The first screen of the red run: one row a cause, short, and no longer for longer texts or more cells."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from orchestrator.model import CellResult
from orchestrator.pipeline.reporting import write_reports
from tests.browser.conftest import Tab
from tests.browser.test_accessible import UNFOLD, violations
from tests.unit import redruns
from tests.unit import run_factory as factory

ABOVE = """() => {
    const words = [];
    const seen = document.createTreeWalker(document.getElementById("main"), NodeFilter.SHOW_TEXT);
    const grid = document.getElementById("grid");
    for (let node = seen.nextNode(); node; node = seen.nextNode()) {
        if (grid && grid.contains(node)) break;
        const parent = node.parentElement;
        if (parent.closest(".unseen, script, option") || !parent.checkVisibility()) continue;
        words.push(...node.data.split(/\\s+/).filter(Boolean));
    }
    return words;
}"""
STOPS = """() => {
    const grid = document.getElementById("grid");
    const before = (one) => one.compareDocumentPosition(grid) & Node.DOCUMENT_POSITION_FOLLOWING;
    return [...document.querySelectorAll("a, button, select, input, summary")]
        .filter((one) => one.tabIndex >= 0 && one.checkVisibility())
        .filter((one) => !grid.contains(one) && before(one)).length;
}"""


def above(page: Page) -> list[str]:
    """The words above the grid."""
    page.locator("#grid").wait_for()
    found: list[str] = page.evaluate(ABOVE)
    return found


@pytest.fixture(scope="module")
def red_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return redruns.report(tmp_path_factory.mktemp("red")).folder


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_red_run_is_told_in_under_120_words_and_nothing_runs_out_of_the_page(
    tab: Tab, red_run: Path, width: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.goto((red_run / "index.html").as_uri())
    said = above(tab.page)
    assert len(said) < 120, said
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    rows = tab.page.locator("#causes tbody tr")
    heights = {round(row.bounding_box()["height"]) for row in rows.all()}  # type: ignore[index]
    assert max(heights) - min(heights) <= 2, heights
    tab.assert_quiet()


def with_reasons(folder: Path, length: int) -> Path:
    """The red run, where each process that failed wrote so many characters."""
    red = redruns.unpack(folder)
    for path in red.rglob("result.json"):
        result = CellResult.model_validate_json(path.read_bytes())
        if result.judgement.verdict.value == "fail":
            text = ("it ended " * length)[:length]
            judgement = result.judgement.model_copy(update={"reason": text, "wrong": (text,)})
            path.write_text(result.model_copy(update={"judgement": judgement}).model_dump_json())
    return write_reports(red).folder


def test_the_page_is_no_higher_and_no_longer_for_longer_reasons(tab: Tab, tmp_path: Path) -> None:
    seen = []
    for length in (60, 160, 400, 5_000):
        folder = with_reasons(tmp_path / str(length), length)
        tab.page.goto((folder / "index.html").as_uri())
        words = len(above(tab.page))
        seen.append((words, tab.page.locator("#grid").bounding_box()["y"]))  # type: ignore[index]
    assert len(set(seen)) == 1, seen


def test_the_number_of_tab_stops_before_the_grid_does_not_grow_with_the_run(
    tab: Tab, red_run: Path, ten_thousand: Path, tmp_path: Path
) -> None:
    counts = []
    small = factory.bad_run(tmp_path)
    factory.render(small)
    for folder in (red_run, ten_thousand, small):
        tab.page.goto((folder / "index.html").as_uri())
        tab.page.locator("#grid").wait_for()
        counts.append(tab.page.evaluate(STOPS))
    shown = max(counts)
    # The choosers of axes that a side does not have are hidden: at most four of them.
    assert shown <= 14, counts
    assert max(counts) - min(counts) <= 4, counts


def test_a_cause_leads_to_its_cells_and_the_filters_to_an_expression(tab: Tab, red_run: Path) -> None:
    page = tab.page
    page.goto((red_run / "index.html").as_uri())
    page.get_by_role("link", name="8 cells").click()
    expect(page.locator("#told")).to_have_text("8 of 24 cells")
    assert re.search(r"#cause=build-failed-[0-9a-f]+$", page.url)
    expect(page.locator(".chooses code")).to_have_text("-k 'probe == \"rust\"'")
    expect(page.locator("#grid td")).to_have_count(8)
    page.get_by_role("link", name="1 cell", exact=True).click()
    hung = """-k 'scenario == "getenv-race" and python == "3.9" and launcher == "uwsgi"'"""
    expect(page.locator(".chooses code")).to_have_text(hung)
    tab.assert_quiet()


def test_arrow_keys_move_between_causes_and_enter_opens_the_best_example(tab: Tab, red_run: Path) -> None:
    page = tab.page
    page.goto((red_run / "index.html").as_uri())
    page.locator("#causes a").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#causes .what a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp")


def test_columns_sort_the_rows_and_the_focus_stays(tab: Tab, red_run: Path) -> None:
    page = tab.page
    page.goto((red_run / "index.html").as_uri())
    rows = page.locator("#grid tbody tr")
    expect(rows.first.locator("th")).to_have_text("py3.9 / glibc 2.31")
    column = page.locator("#grid .sorts").nth(4)
    column.click()
    expect(rows.first.locator("th")).to_have_text("py3.13 / glibc 2.41")
    expect(page.locator("#grid .sorts").nth(4)).to_be_focused()
    expect(page.locator("#grid thead th[aria-sort=descending]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(rows.first.locator("th")).to_have_text("py3.9 / glibc 2.31")
    page.keyboard.press("Enter")
    expect(page.locator("#grid thead th[aria-sort]")).to_have_count(0)


def test_heads_stay_in_sight_where_the_grid_scrolls(tab: Tab, ten_thousand: Path) -> None:
    page = tab.page
    page.set_viewport_size({"width": 700, "height": 500})
    page.goto((ten_thousand / "index.html").as_uri())
    corner, last = (
        page.locator("#grid .corner").first,
        page.locator("#grid thead tr").last.locator("th").first,
    )
    box = page.locator(".heads")
    box.evaluate("(element) => { element.scrollTop = 300; element.scrollLeft = 300; }")
    frame = box.bounding_box()
    assert frame is not None
    for head in (corner, last):
        place = head.bounding_box()
        assert place is not None
        assert frame["y"] - 1 <= place["y"] < frame["y"] + frame["height"]
    left = page.locator("#grid tbody th").nth(6).bounding_box()
    assert left is not None
    assert abs(left["x"] - frame["x"]) < 160


def test_a_folded_square_shows_each_verdict_by_its_share(tab: Tab, ten_thousand: Path) -> None:
    tab.page.goto((ten_thousand / "index.html").as_uri())
    square = tab.page.locator("#grid td.folded").first
    square.wait_for()
    said = square.locator("button").get_attribute("aria-label") or ""
    counts = [int(number) for number in re.findall(r"(\d+) (?:fail|error|not run|pass|skip)", said)]
    widths = [int(rect.get_attribute("width") or 0) for rect in square.locator("rect").all()]
    assert widths == counts
    assert square.locator("svg.share").get_attribute("viewBox") == f"0 0 {sum(counts)} 1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_red_run(browser: Browser, red_run: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto((red_run / "index.html").as_uri())
    page.locator("#grid").wait_for()
    assert violations(page) == []
    page.evaluate(UNFOLD)
    assert violations(page) == []
    context.close()


def test_the_cause_of_each_square_is_in_its_data(red_run: Path) -> None:
    text = (red_run / "index.html").read_text()
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert sum(number >= 0 for number in data["cause"]) == 15
    assert {data["outcomes"][at] for at, status in enumerate(data["status"]) if status == "p"} == {"c", "e"}
