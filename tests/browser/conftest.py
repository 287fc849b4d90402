"""Tabs of a real Chromium; every request and every error of a page is recorded."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.unit import large_run
from tests.unit import run_factory as factory

PATIENCE = 20_000
"""Milliseconds that a test waits for an element; the default of 5 s is too short on a busy machine."""
expect.set_options(timeout=PATIENCE)

COLOURS = b"".join(
    b"\x1b[%dmink %d\x1b[0m \x1b[%dmpaper\x1b[0m " % (code, code, code + 10)
    for code in (*range(30, 38), *range(90, 98))
)
HOSTILE = (
    b"<script>document.title='pwned'</script>"
    b"<img src='http://192.0.2.1/x.png' onerror=\"document.title='pwned'\">\n"
    b"]]> \0 \x1b[31mred\x1b[0m \xff\xfe \xe2\x80\xaegnp.exe &lt;b&gt;\n"
)


@dataclass(kw_only=True)
class Tab:
    """A page with its requests and its errors."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """The page requested local files only, and reported no error."""
        assert [url for url in self.requests if not url.startswith("file://")] == []
        assert self.complaints == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A new page with a wide window and the light colour scheme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    opened = Tab(page=context.new_page())
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.page.on("console", lambda message: opened.complaints.append(message.text))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
    yield opened
    context.close()


@pytest.fixture(scope="session")
def bad_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with each thing that goes wrong."""
    folder = factory.bad_run(tmp_path_factory.mktemp("bad"))
    factory.render(folder)
    return folder


@pytest.fixture(scope="session")
def told_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with explanations, a baseline and a past, and output in all of a terminal's colours."""
    folder = factory.bad_run(tmp_path_factory.mktemp("told"))
    for path in folder.rglob("stderr.txt"):
        path.write_bytes(COLOURS)
    large_run.write_context(folder, [cell.id for cell in factory.smoke_cells()], random.Random(3))  # noqa: S311
    factory.render(folder)
    return folder


@pytest.fixture(scope="session")
def troubled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with a hang, a failed build and a crash that is not the expected one."""
    folder = factory.troubled_run(tmp_path_factory.mktemp("troubled"))
    factory.render(folder)
    return folder


@pytest.fixture(scope="session")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a synthetic run of ten thousand cells."""
    folder = large_run.write_large(tmp_path_factory.mktemp("large"), 10_000)
    factory.render(folder)
    return folder


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose programs wrote hostile text."""
    spec = factory.RunSpec(
        stdout=HOSTILE, stderr=HOSTILE * 2000, run="<script>document.title='pwned'</script>"
    )
    folder = factory.write_run(tmp_path_factory.mktemp("hostile"), spec)
    factory.render(folder)
    return folder
