"""The overview of a run that a check made: its packages, and each hazard that they are not safe from."""

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html

from orchestrator import report
from orchestrator.model import Checked, CheckedCell, CheckedHit, CheckedPackage, HazardResult
from orchestrator.rundir import RunFolder
from tests.unit import run_factory as factory

HOSTILE = "SIGSEGV in 'f' <b>"


def cell_of(hazard: str, result: HazardResult, reason: str = "") -> CheckedCell:
    made = factory.cell(1, hazard=hazard)
    return CheckedCell(
        cell=made.id, hazard=hazard, environment=made.environment, result=result, reason=reason
    )


CELLS = (
    cell_of("exit", HazardResult.SAFE),
    cell_of("fork", HazardResult.CRASHES, HOSTILE),
    cell_of("own-gil", HazardResult.REFUSED, "ImportError: it does not support it"),
    cell_of("subinterpreter", HazardResult.REFUSED, "ImportError: it does not support it"),
)
PACKAGE = CheckedPackage(
    name="made", distribution="made", versions=("1.0",), names=("made",), modules=2, extensions=1,
    cells=CELLS, excluded=("made 1.0 has wheels for cp311; none for CPython 3.15",),
)  # fmt: skip
HIT = CheckedHit(
    package="made", result=HazardResult.CRASHES, signature="SIGSEGV f", reason=HOSTILE, hazards=("fork",),
    cells=(CELLS[1].cell,), where="", trials=5, again=4, report="bugs/made-fork.md",
)  # fmt: skip
CHECKED = Checked(
    run=factory.RUN, packages=(PACKAGE,), questions={"fork": "Can a child of os.fork() use it?"}
)


def overview(folder: Path, checked: Checked | None) -> tuple[str, list[str]]:
    """The section of the packages as text, and where its links lead."""
    run = RunFolder(factory.write_run(folder))
    factory.render(folder)
    if checked:
        run.write(checked)
    report.write_overview(RunFolder(folder).load())
    page = html.document_fromstring((folder / "index.html").read_bytes())
    found = page.xpath("//section[@aria-labelledby='packages']")
    if not found:
        return "", []
    return " ".join(found[0].text_content().split()), [str(link) for link in found[0].xpath(".//a/@href")]


def test_a_hit_stands_with_its_question_its_trials_and_its_bug_report(tmp_path: Path) -> None:
    (tmp_path / "bugs").mkdir()
    (tmp_path / "bugs" / "made-fork.md").write_text("# made")
    said, links = overview(tmp_path, CHECKED.model_copy(update={"hits": (HIT,)}))
    assert "made 1.0 1 crashes, 2 refused, 1 safe; imports made; 1 native module" in said
    assert "Can a child of os.fork() use it?" in said
    assert HOSTILE in said
    assert "4 of 5 further trials show it; the bug report has the smallest script" in said
    assert "refused own-gil, subinterpreter" in said
    assert "Left out: made 1.0 has wheels for cp311; none for CPython 3.15" in said
    assert "bugs/made-fork.md" in links


@pytest.mark.parametrize(
    "hits",
    [(), (HIT.model_copy(update={"cells": ("gone",)}),), (HIT.model_copy(update={"package": "other"}),)],
)
def test_a_crash_that_no_hit_names_is_shown_all_the_same(
    tmp_path: Path, hits: tuple[CheckedHit, ...]
) -> None:
    said, links = overview(tmp_path, CHECKED.model_copy(update={"hits": hits}))
    assert said.count("SIGSEGV in 'f' <b>") == 1
    assert "further trials" not in said
    assert not [link for link in links if link.startswith("bugs")]


def test_a_hang_that_did_not_come_again_is_said_not_to_count(tmp_path: Path) -> None:
    hung = PACKAGE.model_copy(update={"cells": (cell_of("fork", HazardResult.HANGS, "hang f"),)})
    hit = HIT.model_copy(update={"result": HazardResult.HANGS, "again": 0, "counts": False})
    said, _ = overview(tmp_path, CHECKED.model_copy(update={"packages": (hung,), "hits": (hit,)}))
    assert "0 of 5 further trials show it, so it does not count" in said


@pytest.mark.parametrize("text", [None, '{"run": 1}', '{"schema_version": 2, "run": "x", "packages": []}'])
def test_a_run_without_findings_or_with_those_of_another_version_has_no_such_section(
    tmp_path: Path, text: str | None
) -> None:
    factory.write_run(tmp_path)
    if text:
        (tmp_path / "check.json").write_text(text)
    data = RunFolder(tmp_path).load_results()
    assert data.checked is None
    report.write(replace(data, checked=None))
    assert "lifecycle battery" not in (tmp_path / "index.html").read_text()
