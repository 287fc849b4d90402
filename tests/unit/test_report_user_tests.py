"""The user's own tests, and the crashes of other processes, in the report's pages and in JUnit."""

from pathlib import Path

import pytest
from junitparser import JUnitXml
from lxml import etree

from orchestrator.execute.user_tests import parse_tests
from orchestrator.model import (
    CHILD,
    CellResult,
    CoreFile,
    CoreState,
    Judgement,
    OtherCrash,
    OtherProcess,
    OutcomeKind,
    Trial,
    Verdict,
)
from tests.unit import run_factory as factory
from tests.unit.test_user_tests import CRASHED, SIX

XSD = Path(__file__).parents[1] / "data" / "junit.xsd"
CELL = factory.cell(launcher="plain")


def suite(result: CellResult) -> CellResult:
    """The result of a cell whose tests crashed twice, failed once, and left a crashed child."""
    crashed = factory.crash()
    second = crashed.model_copy(update={"signature": "SIGABRT <second> of & pytest"})
    child = OtherProcess(
        pid=9, name="node", role=CHILD, kind=OutcomeKind.SIGNAL, signal="SIGSEGV", core_dumped=True
    )
    pytest_4, last = (other.process for other in CRASHED.others)
    trial = Trial(
        number=1,
        outcome=factory.outcome(
            CELL, OutcomeKind.SIGNAL, signal="SIGSEGV", core_dumped=True, pid=7,
            doing=CRASHED.doing, tests=parse_tests(SIX, CRASHED), others=(pytest_4, last),
        ),
        core=CoreFile(state=CoreState.FOUND),
        crash=crashed,
        others=(
            OtherCrash(process=pytest_4, core=CoreFile(state=CoreState.FOUND), crash=second),
            OtherCrash(process=child, core=CoreFile(state=CoreState.LOST, note="the disk is full")),
        ),
        others_left_out=3,
    )  # fmt: skip
    judgement = Judgement(verdict=Verdict.FAIL, reason="SIGSEGV while tests/test_six.py::test_2 ran")
    return result.model_copy(update={"trials": (trial,), "judgement": judgement})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = factory.RunSpec(cells=(CELL,), changes={CELL.id: suite})
    factory.render(factory.write_run(tmp_path, spec))
    return tmp_path


def text(page: Path) -> str:
    return " ".join(" ".join(etree.parse(page, etree.HTMLParser()).getroot().itertext()).split())


def test_the_cells_page_lists_processes_and_tests(folder: Path) -> None:
    page = text(folder / "cells" / CELL.id / "index.html")
    assert "while tests/test_six.py::test_2 ran" in page
    assert "pytest while tests/test_six.py::test_4 ran 8 SIGABRT" in page
    assert "child process node 9 SIGSEGV lost: the disk is full" in page
    assert "pytest 9 exit 1" in page
    assert "3 more crashes, whose cores were not collected." in page
    assert "Tests 2 crashed, 1 failed, 3 passed" in page
    assert "failed tests/test_six.py::test_5" in page
    assert "AssertionError: no" in page


def test_each_crash_has_its_signatures_page_which_names_the_test(folder: Path) -> None:
    pages = [text(path) for path in (folder / "signatures").glob("*.html")]
    assert len(pages) == 2
    (second,) = (page for page in pages if "SIGABRT <second> of & pytest" in page)
    assert "while tests/test_six.py::test_4 ran" in second
    (first,) = (page for page in pages if page is not second)
    assert "while tests/test_six.py::test_2 ran" in first


def test_junit_has_the_users_tests_beside_their_cell(folder: Path) -> None:
    etree.XMLSchema(etree.parse(XSD)).assertValid(etree.parse(folder / "junit.xml"))
    (only,) = JUnitXml.fromfile(str(folder / "junit.xml"))
    assert {str(case.classname) for case in only} == {"crashmatrix.tls-atexit"}
    cases = {str(case.name).removesuffix(f" [{CELL.id.partition('/')[2]}]"): case for case in only}
    assert len(cases) == 7
    assert (only.tests, only.failures, only.errors) == (7, 2, 2)
    fifth = cases["tests/test_six.py::test_5"]
    assert fifth.result[0].message == "AssertionError: no"
    assert "assert 1 == 2" in str(fifth.result[0].text)
    crashed = cases["tests/test_six.py::test_2"]
    assert crashed.result[0].message == "its process died of SIGSEGV"
    assert cases["tests/test_six.py::test_6"].is_passed
    said = str(cases[CELL.id].result[0].text)
    assert "tests: 2 crashed, 1 failed, 3 passed" in said
    assert "signature of pytest while tests/test_six.py::test_4 ran: SIGABRT <second> of & pytest" in said


def test_tests_that_fail_as_the_cell_expects_are_no_failures_of_the_run(tmp_path: Path) -> None:
    def as_expected(result: CellResult) -> CellResult:
        return suite(result).model_copy(update={"judgement": Judgement(verdict=Verdict.PASS, reason="so")})

    factory.render(
        factory.write_run(tmp_path, factory.RunSpec(cells=(CELL,), changes={CELL.id: as_expected}))
    )
    (only,) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert (only.tests, only.failures, only.errors, only.skipped) == (7, 0, 0, 3)
