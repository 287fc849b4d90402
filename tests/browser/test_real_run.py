"""The report of the main job's own run, in real Chromium."""

from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.integration.runs import Run


def test_the_report_of_a_real_run_leads_from_the_grid_to_the_fault(tab: Tab, smoke_run: Run) -> None:
    assert smoke_run.code == 0, smoke_run.stdout + smoke_run.stderr
    page = tab.page
    page.goto((smoke_run.folder / "index.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("All 12 cells are as expected")
    expect(page.locator("#grid td.pass")).to_have_count(12)
    cell = "tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp"
    page.locator(f"td[data-cell='{cell}'] a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(cell)
    expect(page.locator("li.site")).to_contain_text("atexit_handler")
    expect(page.locator("li.site")).to_contain_text("tlsprobe.abi3.so")
    expect(page.locator("li.site")).to_contain_text("cpp/tlsprobe.cpp:")
    expect(page.get_by_text("uwsgi_worker_run", exact=True)).to_be_visible()
    repeat = page.get_by_role("region", name="Command that repeats this cell")
    expect(repeat).to_have_text(f"./nox -s matrix -- --cell {cell}")
    page.get_by_role("link", name="SIGSEGV atexit_handler").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("SIGSEGV atexit_handler")
    for name in ("py3.9-glibc2.31", "py3.11-glibc2.36", "py3.13-glibc2.41"):
        expect(page.get_by_role("link", name=f"tls-atexit/{name}-x86_64-uwsgi-cpp").first).to_be_visible()
    tab.assert_quiet()


def test_a_dockerfile_and_the_whole_output_are_a_click_away(tab: Tab, smoke_run: Run) -> None:
    page = tab.page
    cell = "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-rust"
    page.goto((smoke_run.folder / "cells" / cell / "index.html").as_uri())
    page.get_by_role("link", name="Dockerfile").click()
    page.wait_for_url("**/Dockerfile")
    page.go_back()
    page.get_by_role("link", name="stderr").first.click()
    page.wait_for_url("**/stderr.txt")
    expect(page.get_by_text("value destroyed (panic caught)")).to_be_visible()
