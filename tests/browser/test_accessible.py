"""What axe-core finds on each kind of page, with all that can be unfolded open, light and dark."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Tab
from tests.unit import run_factory as factory

UNFOLD = "document.querySelectorAll('details').forEach((element) => { element.open = true; })"


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{item['id']} ({item['impact']}): {item['nodes'][0]['html'][:200]}" for item in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["index", "cells", "cell", "signature", "trouble", "hang", "hangs", "error", "crash"]
)
def test_axe_finds_nothing(
    browser: Browser, told_run: Path, troubled_run: Path, scheme: str, name: str
) -> None:
    pages = {
        "index": told_run / "index.html",
        "cells": told_run / "cells.html",
        "cell": told_run / "cells" / factory.cell(2).id / "index.html",
        "signature": next((told_run / "signatures").glob("sigsegv*.html")),
        "trouble": troubled_run / "index.html",
        "hang": troubled_run / "cells" / factory.cell(0).id / "index.html",
        "hangs": next((troubled_run / "signatures").glob("hang*.html")),
        "error": troubled_run / "cells" / factory.cell(1, probe="rust").id / "index.html",
        "crash": troubled_run / "cells" / factory.cell(1).id / "index.html",
    }
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(pages[name].as_uri())
    page.evaluate(UNFOLD)
    assert violations(page) == []
    context.close()


def test_axe_would_find_what_is_wrong(tab: Tab, told_run: Path) -> None:
    tab.page.goto((told_run / "index.html").as_uri())
    tab.page.evaluate(
        "document.querySelector('label[for=text]').remove(); document.documentElement.lang = ''"
    )
    tab.page.evaluate("document.getElementById('text').placeholder = ''")
    assert {line.partition(" ")[0] for line in violations(tab.page)} >= {"label", "html-has-lang"}
