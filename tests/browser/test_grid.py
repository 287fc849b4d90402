"""The overview's grid under a person's hands: filter, turn, open, go back, send the address."""

from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab
from tests.unit import run_factory as factory

CRASHED: Final = factory.cell(2)
FAILED: Final = factory.cell(0, "uwsgi", "rust")


def told(page: Page, text: str) -> None:
    expect(page.locator("#told")).to_have_text(text)


def shown(page: Page) -> set[str]:
    return {str(square.get_attribute("data-cell")) for square in page.locator("#grid td[data-cell]").all()}


def test_the_overview_leads_with_causes_and_then_shows_the_grid(tab: Tab, told_run: Path) -> None:
    page = tab.page
    page.goto((told_run / "index.html").as_uri())
    kinds = page.locator("#causes .kind .status").all_inner_texts()
    assert [kind.partition(",")[0].strip() for kind in kinds] == ["crash", "evidence missing", "not run"]
    heads = [head.inner_text() for head in page.get_by_role("heading", level=2).all()]
    assert heads[0].startswith("Cells")
    assert heads[1:4] == ["What changed", "Limits of this run", "What makes the difference"]
    expect(page.locator(".explanation code").first).to_have_text('glibc < "2.41" and launcher == "uwsgi"')
    # Axes that change together are one, and the axis of the rule stands outermost.
    corner = [head.inner_text() for head in page.locator("#grid thead tr").first.locator("th").all()]
    assert corner == ["python / glibc", "launcher plain", "uwsgi"]
    tab.assert_quiet()


def test_the_address_keeps_the_view_and_back_undoes_a_step(tab: Tab, bad_run: Path) -> None:
    page = tab.page
    page.goto((bad_run / "index.html").as_uri())
    told(page, "12 cells")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_role("button", name="fail 1").click()
    told(page, "1 of 12 cells")
    assert shown(page) == {FAILED.id}
    page.get_by_role("button", name="Clear filters").click()
    pair = "py3.9 / glibc 2.31"
    page.get_by_role("group", name="Only these values of python / glibc").get_by_role(
        "button", name=pair
    ).click()
    page.get_by_role("group", name="Only these values of probe").get_by_role("button", name="cpp").click()
    told(page, "2 of 12 cells")
    address = page.url
    assert address.endswith("#is.python%2Bglibc=py3.9%20%2F%20glibc%202.31&is.probe=cpp")
    expect(page.locator(".chooses code")).to_have_text('-k \'python == "3.9" and probe == "cpp"\'')
    page.go_back()
    told(page, "4 of 12 cells")
    expect(page.get_by_role("button", name=pair, exact=True)).to_have_attribute("aria-pressed", "true")
    page.goto("about:blank")
    page.goto(address)
    told(page, "2 of 12 cells")
    assert shown(page) == {factory.cell(0, launcher).id for launcher in ("plain", "uwsgi")}
    tab.assert_quiet()


def test_any_two_axes_face_each_other_and_the_others_fold(tab: Tab, bad_run: Path) -> None:
    page = tab.page
    page.goto((bad_run / "index.html").as_uri() + "#rows=launcher&columns=probe")
    expect(page.locator("#grid tbody tr")).to_have_count(2)
    square = page.locator("#grid button.in").last
    expect(square).to_have_accessible_name("1 fail, 2 pass: look inside")
    page.get_by_label("columns, first axis").select_option("python+glibc")
    expect(page.locator("#grid thead th")).to_have_count(4)
    assert "columns=python%2Bglibc" in page.url
    page.get_by_role("button", name="Swap").click()
    expect(page.locator("#grid tbody tr")).to_have_count(3)
    page.locator("#grid tbody tr").first.locator("button.in").last.click()
    told(page, "2 of 12 cells")
    pair = "is.python%2Bglibc=py3.9%20%2F%20glibc%202.31"
    assert {"is.launcher=uwsgi", pair} <= set(page.url.partition("#")[2].split("&"))
    assert FAILED.id in shown(page)
    # Whoever opened the square by a key goes on from what it held.
    expect(page.locator("#grid .in").first).to_be_focused()
    page.go_back()
    told(page, "12 cells")
    tab.assert_quiet()


def test_a_choice_made_while_typing_rests_is_a_step_of_its_own(tab: Tab, bad_run: Path) -> None:
    page = tab.page
    page.goto((bad_run / "index.html").as_uri())
    told(page, "12 cells")
    page.evaluate(
        """() => {
            const tell = (element, value, name) => {
                element.value = value;
                element.dispatchEvent(new Event(name));
            };
            tell(document.getElementById("text"), "2.3", "input");
            tell(document.getElementById("text"), "2.31", "input");
            tell(document.querySelector("[aria-label='columns, first axis']"), "probe", "change");
        }"""
    )
    told(page, "4 of 12 cells")
    assert page.url.endswith("#columns=probe&text=2.31")
    page.go_back()
    expect(page.get_by_label("columns, first axis")).not_to_have_value("probe")
    told(page, "4 of 12 cells")
    assert page.url.endswith("#text=2.31")


def test_text_and_signature_filter_and_the_list_names_the_cells(tab: Tab, bad_run: Path) -> None:
    page = tab.page
    page.goto((bad_run / "index.html").as_uri())
    page.keyboard.press("/")
    expect(page.get_by_label("Find")).to_be_focused()
    page.keyboard.type("LOST uwsgi")
    told(page, "1 of 12 cells")
    expect(page.locator("#list").get_by_role("link", name=factory.cell(0).id)).to_be_visible()
    page.wait_for_url("**#text=LOST%20uwsgi")
    page.keyboard.press("Escape")
    told(page, "12 cells")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Signature", exact=True).select_option(
        label="SIGSEGV python:Py_FinalizeEx > uwsgi_plugins_atexit"
    )
    told(page, "1 of 12 cells")
    assert shown(page) == {CRASHED.id}
    page.get_by_label("Find").fill("no such cell")
    expect(page.get_by_text("No cell is left.")).to_be_visible()
    tab.assert_quiet()


def test_arrow_keys_walk_over_the_squares_and_enter_opens_one(tab: Tab, bad_run: Path) -> None:
    page = tab.page
    page.goto((bad_run / "index.html").as_uri())
    page.locator("#grid .in").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid td:focus-within")).to_have_attribute("data-cell", factory.cell(1).id)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#grid .sorts").nth(2)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid td:focus-within")).to_have_attribute("data-cell", factory.cell(0).id)
    assert page.locator("#grid [tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(factory.cell(0).id)
    page.go_back()
    expect(page.locator("#grid")).to_be_visible()


def test_what_an_address_says_is_held_to_what_there_is(tab: Tab, bad_run: Path) -> None:
    evil = "#rows=<img src=x onerror=alert(1)>,python&is.glibc=9.9&verdict=none&text=%E0%A4%A&signature=../x"
    tab.page.goto((bad_run / "index.html").as_uri() + evil)
    told(tab.page, "12 cells")
    expect(tab.page.locator("#grid td[data-cell]").first).to_be_visible()
    tab.assert_quiet()


def test_what_changed_can_be_filtered(tab: Tab, told_run: Path) -> None:
    page = tab.page
    page.goto((told_run / "index.html").as_uri())
    page.get_by_text("Filters", exact=True).click()
    page.get_by_role("button", name="fixed 1").click()
    told(page, "1 of 12 cells")
    expect(page.locator("#list svg.spark")).to_have_count(1)
    assert page.url.endswith("#change=fixed")


def test_without_scripts_the_words_and_a_plain_table_remain(told_run: Path, tab: Tab) -> None:
    assert tab.page.context.browser
    context = tab.page.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((told_run / "index.html").as_uri())
    expect(page.get_by_text("What makes the difference")).to_be_visible()
    page.get_by_role("link", name="every cell as a plain table").first.click()
    expect(page.locator("tbody tr")).to_have_count(12)
    page.get_by_role("link", name=CRASHED.id).click()
    expect(page.locator("li.site")).to_be_visible()
    context.close()
