"""The host's Chromium, without a screen, driven by Playwright: for the tests and for the bench."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


LAUNCH = 180_000
"""Milliseconds for its start; playwright's default of 30 s is too short on a busy machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser, and close it at the end."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert program, "Chromium is missing: `nox -s tests` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=LAUNCH)
        yield browser
        browser.close()
