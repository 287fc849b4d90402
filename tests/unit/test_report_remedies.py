from collections.abc import Mapping
from pathlib import Path

import pytest
from lxml import html

from orchestrator.model import (
    Cell,
    Evidence,
    InstrumentFinding,
    Plan,
    PlannedCells,
    Trial,
    Verdict,
    WantedFinding,
)
from orchestrator.report import remedies
from tests.unit import run_factory as factory
from tests.unit.run_factory import RunSpec, cell, crashed_trial, judged, quiet_trial, write_run


def test_a_remedy_is_held_against_the_same_cell_without_it(tmp_path: Path) -> None:
    """Three cells that crash without it: mended, not mended, not seen; and one that does not crash."""
    bare = [cell(pair, mitigation="none") for pair in range(3)] + [cell(0, "plain", mitigation="none")]
    with_it = [cell(pair, mitigation="skip") for pair in range(3)] + [cell(0, "plain", mitigation="skip")]
    changes = {
        with_it[0].id: judged(Verdict.PASS, "", trials=(quiet_trial(with_it[0]),)),
        with_it[1].id: judged(Verdict.PASS, "", trials=(crashed_trial(with_it[1]),)),
        with_it[2].id: judged(Verdict.ERROR, "", trials=()),
    }
    folder = write_run(tmp_path / "run", RunSpec(cells=(*bare, *with_it), changes=changes))
    (remedy,) = remedies(factory.load(folder))
    assert (remedy.mitigation, remedy.cells, remedy.mended, remedy.unknown) == ("skip", 2, 1, 1)
    assert remedy.words == "1 of 2 that go wrong without it; 1 cell could not be compared"
    assert (remedy.whole, remedy.failed) == (False, True)
    factory.render(folder)
    page = html.document_fromstring((folder / "index.html").read_bytes())
    (row,) = page.xpath("//section[@aria-labelledby='remedies']//tbody/tr")
    assert "1 of 2 that go wrong without it" in row.text_content()
    assert "Does a mitigation hold?" in (folder / "summary.md").read_text()
    assert dict(remedy.seen) == {"exit 0": 1, "SIGSEGV (anonymous namespace)::atexit_handler": 1}


@pytest.mark.parametrize(("still", "mended"), [((), 1), (("InvalidRead",), 0), (("UninitCondition",), 1)])
def test_what_only_an_instrument_sees_counts_as_a_crash_does(
    tmp_path: Path, still: tuple[str, ...], mended: int
) -> None:
    bare, with_it = cell(0, mitigation="none"), cell(0, mitigation="wrapper")
    wanted = {"evidence": WantedFinding(kind="InvalidRead")}
    seen = {bare: ("InvalidRead", "UninitCondition"), with_it: still}
    changes = {
        cell.id: judged(Verdict.PASS, "", trials=(watched_trial(cell, kinds),))
        for cell, kinds in seen.items()
    }
    folder = write_run(tmp_path, RunSpec(cells=(bare, with_it), changes=changes))
    expect(folder, wanted)
    (remedy,) = remedies(factory.load(folder))
    assert (remedy.cells, remedy.mended) == (1, mended)


def watched_trial(cell: Cell, kinds: tuple[str, ...]) -> Trial:
    """A trial that ends quietly, and in which valgrind saw errors of these kinds."""
    findings = tuple(InstrumentFinding(kind=kind, count=1, first="") for kind in kinds)
    trial = quiet_trial(cell)
    evidence = Evidence(instrument="valgrind", findings=findings, path="valgrind.xml")
    return trial.model_copy(update={"outcome": trial.outcome.model_copy(update={"evidence": evidence})})


def expect(folder: Path, parts: Mapping[str, object]) -> None:
    """Have a run's plan expect these parts of every cell as well."""
    plan = Plan.model_validate_json((folder / "plan.json").read_bytes())
    cells = PlannedCells.of(
        item.model_copy(update={"expectation": item.expectation.model_copy(update=dict(parts))})
        for item in plan.cells
    )
    (folder / "plan.json").write_text(plan.model_copy(update={"cells": cells}).model_dump_json())


def test_a_run_without_mitigations_has_no_table(tmp_path: Path) -> None:
    assert remedies(factory.load(write_run(tmp_path / "run"))) == ()


@pytest.mark.parametrize(
    ("status", "said", "whole"),
    [
        (Verdict.PASS, "no cell here goes wrong without it", False),
        (Verdict.ERROR, "1 cell could not be compared", False),
    ],
)
def test_what_was_never_needed_is_no_success(
    tmp_path: Path, status: Verdict, said: str, *, whole: bool
) -> None:
    bare, with_it = cell(0, mitigation="none"), cell(0, mitigation="skip")
    trials = (quiet_trial(bare),) if status is Verdict.PASS else ()
    changes = {bare.id: judged(status, "", trials=trials)}
    (remedy,) = remedies(factory.load(write_run(tmp_path, RunSpec(cells=(bare, with_it), changes=changes))))
    assert (remedy.words, remedy.whole) == (said, whole)


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"absent": "callback ran"}, "exit 0 without /callback ran/"),
        ({"message": "callback ran"}, "exit 0 with /callback ran/"),
        ({"message": "leaves", "absent": "callback ran"}, "exit 0 without /callback ran/"),
    ],
)
def test_what_a_remedy_costs_stands_beside_it(tmp_path: Path, expected: dict[str, str], said: str) -> None:
    """A crash that is gone together with the callback is not the same as one that is mended."""
    bare, with_it = cell(0, mitigation="none"), cell(0, mitigation="skip")
    changes = {with_it.id: judged(Verdict.PASS, "", trials=(quiet_trial(with_it),))}
    folder = write_run(tmp_path, RunSpec(cells=(bare, with_it), changes=changes))
    expect(folder, expected)
    (remedy,) = remedies(factory.load(folder))
    assert remedy.seen == ((said, 1),)
