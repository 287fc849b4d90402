"""The report as a person sees it: opened from a file, in real Chromium."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import HOSTILE, Tab
from tests.unit import run_factory as factory

CRASHED = factory.cell(2)


def test_the_index_opens_from_a_file_and_asks_for_nothing(tab: Tab, bad_run: Path) -> None:
    tab.page.goto((bad_run / "index.html").as_uri())
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("1 failed, 1 error, 1 not run, of 12 cells")
    expect(tab.page.locator("#grid td[data-cell]")).to_have_count(12)
    expect(tab.page.locator("#grid td.fail a")).to_contain_text("fail, crash: SIGSEGV ")
    tab.assert_quiet()
    own = ("index.html", "assets/report.css", "assets/page.js", "assets/grid.js")
    assert tab.requests == [(bad_run / name).as_uri() for name in own]


def test_the_page_s_style_is_allowed_by_its_own_policy(tab: Tab, bad_run: Path) -> None:
    tab.page.goto((bad_run / "index.html").as_uri())
    square = tab.page.locator("#grid td.fail")
    colour = square.evaluate("element => getComputedStyle(element).backgroundColor")
    assert colour not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}


def test_the_policy_stops_what_slipped_through(tab: Tab, bad_run: Path, tmp_path: Path) -> None:
    """The policy is the second line: it holds even where the escaping would have failed."""
    page = (bad_run / "index.html").read_text(encoding="utf-8")
    script, image = "<script>document.title='pwned'</script>", "<img src='http://192.0.2.1/x.png'>"
    output = "<script src='stdout.txt'></script><link rel=stylesheet href='stdout.txt'>"
    evil = f"{script}{image}<h1 style='color:red'>x</h1>{output}"
    shutil.copytree(bad_run / "assets", tmp_path / "assets")
    (tmp_path / "stdout.txt").write_text("document.title='pwned'", encoding="utf-8")
    broken = tmp_path / "index.html"
    broken.write_text(page.replace('<main id="main">', f'<main id="main">{evil}'), encoding="utf-8")
    tab.page.goto(broken.as_uri())
    assert "pwned" not in tab.page.title()
    assert tab.page.locator("h1").first.evaluate("e => getComputedStyle(e).color") != "rgb(255, 0, 0)"
    assert len(tab.complaints) == 5
    assert all("Content Security Policy" in complaint for complaint in tab.complaints)


def test_from_the_grid_to_a_cell_to_its_signature_and_back(tab: Tab, bad_run: Path) -> None:
    tab.page.goto((bad_run / "index.html").as_uri())
    tab.page.locator(f"td[data-cell='{CRASHED.id}'] a").click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(CRASHED.id)
    site = tab.page.locator("li.site")
    expect(site).to_be_visible()
    expect(site).to_contain_text("(anonymous namespace)::atexit_handler+0x1c")
    expect(tab.page.get_by_text("4 frames of the signal handler, above the fault")).to_be_visible()
    tab.page.get_by_role("link", name="SIGSEGV python:Py_FinalizeEx > uwsgi_plugins_atexit").click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(
        "SIGSEGV python:Py_FinalizeEx > uwsgi_plugins_atexit"
    )
    tab.page.go_back()
    tab.page.go_back()
    expect(tab.page.locator("#grid")).to_be_visible()
    tab.assert_quiet()


def test_other_threads_are_folded_and_open_by_keyboard(tab: Tab, bad_run: Path) -> None:
    tab.page.goto((bad_run / "cells" / CRASHED.id / "index.html").as_uri())
    idle = tab.page.locator(".fn", has_text="logger_loop")
    expect(idle).to_be_hidden()
    tab.page.get_by_text("1 other thread").focus()
    tab.page.keyboard.press("Enter")
    expect(idle).to_be_visible()


def test_a_cell_whose_id_has_plus_and_equals_can_be_opened(tab: Tab, tmp_path: Path) -> None:
    own = factory.cell(1, "uwsgi", "cpp", flags="O2", pkg="1.2")
    factory.render(factory.write_run(tmp_path, factory.RunSpec(cells=(own,))))
    tab.page.goto((tmp_path / "index.html").as_uri())
    tab.page.locator("#grid td[data-cell] a").click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(own.id)
    tab.page.get_by_role("link", name="stderr").click()
    expect(tab.page.locator("body")).to_contain_text("segmentation fault")


def test_hostile_output_is_shown_and_does_nothing(tab: Tab, hostile_run: Path) -> None:
    tab.page.goto((hostile_run / "index.html").as_uri())
    assert tab.page.title() == "All 12 cells are as expected · <script>document.title='pwned'</script>"
    tab.page.locator("#grid td[data-cell] a").first.click()
    shown = tab.page.locator("pre[aria-label=stdout]")
    expect(shown).to_contain_text("<script>document.title='pwned'</script><img src='http://192.0.2.1/x.png'")
    expect(shown).to_contain_text("]]> ␀ red \\xff\\xfe ⟨U+202E⟩gnp.exe &lt;b&gt;")
    expect(tab.page.locator("pre[aria-label='end of stderr']")).to_be_visible()
    assert tab.page.title().startswith("pass: ")
    tab.assert_quiet()


def test_the_whole_output_file_opens_as_text(tab: Tab, tmp_path: Path) -> None:
    markup = b"<!doctype html><script>document.title='pwned'</script>\n"
    factory.render(factory.write_run(tmp_path, factory.RunSpec(stdout=markup)))
    tab.page.goto((tmp_path / "cells" / factory.cell().id / "index.html").as_uri())
    tab.page.get_by_role("link", name="stdout").click()
    tab.page.wait_for_url("**/trial-1/stdout.txt")
    assert tab.page.evaluate("document.contentType") == "text/plain"
    expect(tab.page.locator("body")).to_have_text(markup.decode().strip())
    assert tab.page.title() != "pwned"
    tab.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["index", "cell", "signature"])
def test_no_page_is_wider_than_the_window(
    browser: Browser, bad_run: Path, scheme: str, width: int, name: str
) -> None:
    pages = {
        "index": bad_run / "index.html",
        "cell": bad_run / "cells" / CRASHED.id / "index.html",
        "signature": next((bad_run / "signatures").glob("*.html")),
    }
    dark = scheme == "dark"
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.goto(pages[name].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(int(part) for part in background[4:-1].split(",")) < 3 * 128) is dark
    context.close()


def test_fifty_megabytes_in_one_line_are_cut_with_a_link_to_the_whole(tab: Tab, tmp_path: Path) -> None:
    cell = factory.cell()
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), stdout=HOSTILE))
    line = b"\xff\xe2\x80\xae<script>document.title='pwned'</script>\x1b[31m" * (50_000_000 // 48)
    (folder / "cells" / cell.id / "trial-1" / "stdout.txt").write_bytes(line)
    factory.render(folder)
    page = folder / "cells" / cell.id / "index.html"
    assert page.stat().st_size < 1_000_000
    tab.page.goto(page.as_uri())
    output = tab.page.locator("section[aria-labelledby=output]")
    expect(output.get_by_text("left out here; the whole file has them.")).to_be_visible()
    expect(output.get_by_role("link", name="the whole file").nth(1)).to_have_attribute(
        "href", "trial-1/stdout.txt"
    )
    expect(output.locator("pre .t-i1").first).to_contain_text("\\xff⟨U+202E⟩<script>document.title='pwned'")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert tab.page.title() != "pwned"
    tab.assert_quiet()


def test_what_is_folded_on_the_overview_is_open_in_print(tab: Tab, told_run: Path) -> None:
    tab.page.goto((told_run / "index.html").as_uri())
    folded = tab.page.locator("section[aria-labelledby=difference] details:not([open]) .explanation").first
    expect(folded).to_be_hidden()
    tab.page.emulate_media(media="print")
    expect(folded).to_be_visible()
    expect(tab.page.locator(".controls")).to_be_hidden()
