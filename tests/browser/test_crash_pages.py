"""Pages of cells and crashes in real Chromium: copies, print, narrow screens, forced colours, no scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tab
from tests.unit import run_factory as factory


def page_of(run: Path, index: int, probe: str = "cpp") -> str:
    return (run / "cells" / factory.cell(index, probe=probe).id / "index.html").as_uri()


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def copy(page: Page, target: str) -> None:
    """Press the button that copies an element; it says so for a moment."""
    button = page.locator(f"button[data-copy={target}]")
    button.click()
    expect(button).to_have_text("Copied")


def test_stack_command_and_the_whole_crash_are_copied(browser: Browser, troubled_run: Path) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(page_of(troubled_run, 1))
    copy(page, "issue-stack")
    stack = copied(page)
    assert stack.startswith("SIGSEGV SEGV_MAPERR at 0x0")
    assert "<- fault" in stack
    copy(page, "issue")
    whole = copied(page)
    assert whole.startswith("### SIGSEGV")
    assert f"```text\n{stack}\n```" in whole
    copy(page, "command-repeat")
    assert copied(page) == f"nox -s matrix -- --cell {factory.cell(1).id}"
    context.close()


def test_without_scripts_there_is_no_button_and_all_of_the_text(browser: Browser, troubled_run: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of(troubled_run, 1))
    expect(page.locator("button.copy").first).to_be_hidden()
    expect(page.locator("li.missing")).to_contain_text("expected here, not on the stack")
    page.get_by_text("As Markdown, for an issue").click()
    expect(page.locator("#issue")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_print_opens_what_is_folded_but_not_the_copy_for_an_issue(
    browser: Browser, troubled_run: Path, scripts: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(page_of(troubled_run, 1))
    expect(page.locator(".fn", has_text="uwsgi_segfault")).to_be_hidden()
    page.emulate_media(media="print")
    for text in ("uwsgi_segfault", "logger_loop"):
        expect(page.locator(".fn", has_text=text).first).to_be_visible()
    expect(page.locator("#issue")).to_be_hidden()
    expect(page.locator("button.copy").first).to_be_hidden()
    context.close()


@pytest.mark.parametrize(("index", "probe"), [(0, "cpp"), (1, "cpp"), (1, "rust")])
def test_nothing_is_wider_than_a_narrow_screen_and_no_text_lies_on_another(
    tab: Tab, troubled_run: Path, index: int, probe: str
) -> None:
    page = tab.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page_of(troubled_run, index, probe))
    page.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('ol.stack > li, .stack tr')].flatMap((row) => {
            const boxes = [...row.children].map((cell) => cell.getBoundingClientRect())
                .filter((box) => box.width);
            return boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) =>
                one.left < other.right - 1 && other.left < one.right - 1
                && one.top < other.bottom - 1 && other.top < one.bottom - 1).map(() => row.textContent));
        })"""
    )
    assert overlaps == []
    tab.assert_quiet()


def test_the_fault_and_a_missing_frame_are_marked_where_colours_are_forced(
    browser: Browser, troubled_run: Path
) -> None:
    context = browser.new_context(forced_colors="active")
    page = context.new_page()
    page.goto(page_of(troubled_run, 1))
    styles = [
        page.locator(place).evaluate("(element) => getComputedStyle(element).outlineStyle")
        for place in ("li.site", "li.missing")
    ]
    assert styles == ["solid", "dashed"]
    context.close()


def test_a_hang_begins_with_who_waits_for_whom(tab: Tab, troubled_run: Path) -> None:
    tab.page.goto(page_of(troubled_run, 0))
    expect(tab.page.get_by_role("heading", level=2).first).to_contain_text(
        "Deadlock: thread 7 (main) waits for a mutex"
    )
    tab.assert_quiet()


def test_a_failed_build_shows_its_error_and_links_its_log(tab: Tab, troubled_run: Path) -> None:
    tab.page.goto(page_of(troubled_run, 1, "rust"))
    expect(tab.page.get_by_role("heading", name="Build failed")).to_be_visible()
    expect(tab.page.locator("section[aria-labelledby=build] pre").first).to_contain_text("tlsprobe.rs:9:5")
    tab.page.get_by_role("link", name="The whole build log").click()
    tab.page.wait_for_url("**/build.log")
