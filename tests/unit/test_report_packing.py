"""Packs: each cell on one page or in one pack, and what goes in comes out."""

import base64
import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.packing import OUTPUT_LIMITS, Places, pack_script
from tests.unit import run_factory as factory
from tests.unit.large_run import cells, write_large


@given(st.dictionaries(st.text(), st.text()))
def test_what_a_pack_holds_comes_out_again(contents: dict[str, str]) -> None:
    script = pack_script(contents)
    match = re.fullmatch(r'crashmatrixPack\("([A-Za-z0-9+/=]*)"\);\n', script)
    assert match
    assert json.loads(gzip.decompress(base64.b64decode(match[1]))) == contents


def test_the_number_of_a_pack_is_fnv_1a() -> None:
    places = Places(own=frozenset(), copied=frozenset(), packs=1 << 32)
    assert [places.pack_of(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


@pytest.fixture(autouse=True)
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of more than 40 cells is a large one here."""
    monkeypatch.setattr("orchestrator.report.packing.STATIC_PAGES", 40)


def test_the_worst_cells_have_pages_of_their_own_and_no_cell_has_two(tmp_path: Path) -> None:
    folder = write_large(tmp_path, 200)
    factory.render(folder)
    data = factory.load(folder)
    places = Places.of(data)
    own = {
        path.parent.relative_to(folder / "cells").as_posix() for path in folder.glob("cells/**/index.html")
    }
    packed: list[str] = []
    for path in (folder / "assets/packs").glob("*.js"):
        packed += json.loads(gzip.decompress(base64.b64decode(path.read_text().split('"')[1])))
    assert own == places.own
    assert len(own) + len(packed) == 200
    assert own.isdisjoint(packed)
    assert {record.cell.id for record in data.records if record.status != "pass"} <= own
    record = next(record for record in data.records if record.cell.id in packed)
    assert places.excerpt_limit(record) == OUTPUT_LIMITS[0]


def test_a_smaller_rendering_removes_the_packs_of_a_larger_one(tmp_path: Path) -> None:
    folder = write_large(tmp_path, 50)
    factory.render(folder)
    assert (folder / "cell.html").is_file()
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["cells"]["rows"] = plan["cells"]["rows"][:30]
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    factory.render(folder)
    assert not (folder / "cell.html").exists()
    assert list((folder / "assets/packs").iterdir()) == []


def test_the_synthetic_matrix_has_no_cell_twice() -> None:
    assert len({cell.id for cell in cells(10_000)}) == 10_000
