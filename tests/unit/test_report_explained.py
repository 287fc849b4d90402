"""The same sentences in JUnit, summary, terminal and annotations."""

from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml
from lxml import etree
from rich.console import Console

from orchestrator.cli import ending
from orchestrator.model import Finding, Subject, Verdict
from orchestrator.pipeline.reporting import write_reports
from orchestrator.report import annotations, words
from orchestrator.rundir import RunData
from tests.unit import run_factory as factory
from tests.unit.test_report_markdown import page_text

SCHEMA = Path(__file__).parent.parent / "data" / "junit.xsd"
RULE = 'launcher == "uwsgi" and probe == "rust"'


def failing(folder: Path) -> RunData:
    """A run in which Rust under uWSGI fails everywhere."""
    changes = {
        factory.cell(pair, "uwsgi", "rust").id: factory.judged(Verdict.FAIL, "saw 100% ::error of it")
        for pair in range(3)
    }
    return write_reports(
        factory.write_run(folder, factory.RunSpec(changes=changes, excluded=factory.smoke_excluded()))
    )


def test_every_report_says_the_same_sentences(tmp_path: Path) -> None:
    data = failing(tmp_path)
    said = next(item.words for item in data.explanations if item.name == "tls-atexit")
    assert f"exactly where {RULE}: 3 cells show it, 9 do not." in said
    summary = page_text((tmp_path / "summary.md").read_text(encoding="utf-8"))
    assert said in summary
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.parse(tmp_path / "junit.xml"))
    suites = {str(suite.name): suite for suite in JUnitXml.fromfile(str(tmp_path / "junit.xml"))}
    suite = suites["crashmatrix.tls-atexit"]
    document = etree.parse(tmp_path / "junit.xml")
    properties = document.findall(f"testsuite[@name='{suite.name}']/properties/property")
    assert said in [item.get("value") for item in properties]
    failure = next(
        case for case in suite if case.name == "tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-rust"
    ).result[0]
    assert f"difference: {said}" in str(failure.text)
    assert "axes: scenario=tls-atexit, python=3.9, glibc=2.31" in str(failure.text)
    console = Console(width=80, record=True)
    ending.show_end(console, data)
    assert RULE in " ".join(console.export_text().split())


@pytest.mark.parametrize("reports", ["reports", "elsewhere"])
def test_the_command_that_repeats_what_failed_names_the_project_and_its_reports(
    tmp_path: Path, reports: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "project"
    console = Console(width=80, record=True)
    ending.show_end(console, failing(project / reports / "run"), project=project)
    (said,) = [line for line in console.export_text().splitlines() if line.startswith("again: ")]
    more = "" if reports == "reports" else f" --reports {project / reports}"
    assert said == f"again:  crashmatrix --project {project} run --rerun failed{more}"


def test_annotations_are_for_github_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = failing(tmp_path)
    for where, expected in (("true", 1), ("", 0)):
        monkeypatch.setenv("GITHUB_ACTIONS", where)
        console = Console(width=80, record=True)
        ending.show_end(console, data)
        lines = [line for line in console.export_text().splitlines() if line.startswith("::error")]
        assert len(lines) == expected


def test_a_rule_is_one_annotation_for_all_its_cells(tmp_path: Path) -> None:
    (line,) = annotations(failing(tmp_path))
    place = "file=scenarios/tls-atexit/scenario.yaml,line=12"
    assert line.startswith(
        f"::error {place},title=tls-atexit%3A exit status 0; expected a clean exit::FAIL, 3 of "
    )
    assert f"%0A  where: {RULE}%0A" in line


def test_ten_annotations_at_most_and_nothing_in_them_is_a_command(tmp_path: Path) -> None:
    cells = factory.smoke_cells()
    hostile = "{} 50%\n::error::x\r\n\x1b[31m"
    changes = {
        cell.id: factory.judged(Verdict.ERROR, hostile.format(word))
        for cell, word in zip(cells, "abcdefghijkl", strict=True)
    }
    lines = annotations(write_reports(factory.write_run(tmp_path, factory.RunSpec(changes=changes))))
    assert len(lines) == 10
    assert not any(ord(character) < ord(" ") for line in lines for character in line)
    assert all(
        line.startswith("::error ") and line.count("::error") == line.count(" ::error::x") + 1
        for line in lines
    )
    assert "title=tls-atexit%3A a 50%25 %3A%3Aerror%3A%3Ax::ERROR, 1 of 12 cells" in lines[0]
    assert lines[-1] == "::error title=crashmatrix::3 more causes are in summary.md and index.html"


def test_beside_a_failure_with_a_rule_a_signature_is_said_shortly_and_with_a_rule_alone(
    tmp_path: Path,
) -> None:
    data = failing(tmp_path)
    failure = next(item for item in data.explanations if item.name == "tls-atexit")
    said = {"subject": Subject.SIGNATURE, "name": "SIGSEGV x", "sentence": "It is there.", "notes": ("But.",)}
    signature = failure.model_copy(update=said)
    accident = signature.model_copy(update={"finding": Finding.NO_RULE})
    both = replace(data, explanations=(failure, signature, accident))
    assert list(words.differences(both, 9)) == [failure.words, "It is there."]
    alone = replace(data, explanations=(signature, accident))
    assert list(words.differences(alone, 9)) == ["It is there. But."] * 2
