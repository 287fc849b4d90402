"""The committed sample: small, whole, and without what must not leave a machine."""

import re
from pathlib import Path
from urllib.parse import unquote

from lxml import html

from tests.unit import run_factory as factory

SAMPLE = Path(__file__).parent.parent.parent / "reports" / "sample"
FILES = [path for path in SAMPLE.rglob("*") if path.is_file()]


def test_the_sample_is_small_and_holds_no_core_and_no_path_of_a_machine() -> None:
    assert 100_000 < sum(path.stat().st_size for path in FILES) < 1_000_000
    assert not [path for path in FILES if path.name.startswith("core")]
    private = re.compile(rb"/(root|home|Users)/")
    assert not [path for path in FILES if private.search(path.read_bytes())]


def test_the_sample_reads_and_its_links_lead_to_files() -> None:
    (folder,) = [path.parent for path in SAMPLE.glob("*/plan.json")]
    data = factory.load(folder)
    assert len(data.results) == len(data.plan.cells) == 12
    assert sum(trial.crash is not None for result in data.results for trial in result.trials) == 3
    pages = {path: html.document_fromstring(path.read_bytes()) for path in folder.rglob("*.html")}
    links = [
        (path, link)
        for path, page in pages.items()
        for link in page.xpath("//@href")
        if not link.startswith(("#", "https://"))
    ]
    assert len(links) > 100
    for path, link in links:
        assert (path.parent / unquote(link.partition("#")[0])).is_file(), f"{path}: {link}"
