"""junit.xml: one suite a scenario, one case a cell; the one module that writes JUnit.

What the common readers show of a case, read from their code (tests/unit/junit_readers.py has each as a rule):

- GitLab lists `name` alone, then the text of the failure; it never reads `message`.
- dorny/test-reporter lists `classname` and `name` under the suite, then the first line of the text.
- mikepenz/action-junit-report titles a case by what stands behind the last dot of `classname`, and `name`.
- publish-unit-test-result shows `name (classname)` and the text; a skipped case has its `message`.
- Jenkins cuts `classname` at its last dot into a package and a class, and shows `message` and text.

So `name` is the cell's id, `classname` has one dot (`crashmatrix.SCENARIO`) and none in the scenario, and the
reason is the `message` and the first line of the text as well.

The document is held to the schema that Jenkins' xunit plugin checks (tests/data/junit.xsd), the strictest of
the common readers: it lacks junit-xml's attribute `disabled`, times have at most three decimals, and no case
has a `file`. So junit-xml makes the suites, and this module makes the document around them.
`located_junit_xml` adds the file and line of each cell's rule for readers that link them.

GitLab takes files of up to 30 MB and 250,000 elements (https://docs.gitlab.com/ci/testing/unit_test_reports),
libxml2 texts of up to 10 MB. So the worst cells, those with a page of their own, have full details and share
one budget of output; the case of another cell has its verdict and reason.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from junit_xml import TestCase, TestSuite

from orchestrator.adapters.visible import visible
from orchestrator.model import STANDARD_AXES, CaseOutcome, CellResult, ExcludedCell, Place, UserCase
from orchestrator.report import cause_words, cell_words
from orchestrator.report.junit_text import brief, details, first_line, output, suite_text
from orchestrator.report.packing import Places
from orchestrator.report.text import LIMIT, one_line
from orchestrator.rundir import CellRecord, RunData, Status

MESSAGE_LIMIT: Final = 1000
"""Characters of a case's message, which readers show on one line."""
USER_TESTS, USER_TESTS_AT_LEAST = 20_000, 20
"""The user's tests in the document, shared evenly by the cells, and the least of one cell."""
OUTPUT: Final = 1 << 19
"""Bytes of program output in the document; the cells with full details share it evenly."""
PACKAGE: Final = "crashmatrix"
"""The first part of each `classname`: Jenkins' package, apart from the classes of the project's own tests."""


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The common data of all cases: the run, its pages, and whether cases have `file` and `line`."""

    data: RunData
    places: Places
    located: bool

    def file(self, place: Place) -> str:
        """A file as readers look for it: relative to the repository, where that is known."""
        return visible(cause_words.repository_file(self.data, place))


def junit_xml(data: RunData, *, located: bool = False) -> str:
    """A run as a JUnit document. A planned cell that did not run is an error; an excluded one is skipped.

    With `located`, each case has the file and line of its expectation, which Jenkins' xunit plugin refuses.
    """
    suites: dict[str, list[CellRecord | ExcludedCell]] = {}
    items: list[CellRecord | ExcludedCell] = [*data.records, *data.plan.each_excluded()]
    for item in items:
        suites.setdefault(item.cell.scenario, []).append(item)
    document = _Document(data=data, places=Places.of(data), located=located)
    root = ET.Element("testsuites", {"name": visible(data.plan.run)})
    for its_items in suites.values():
        root.append(_suite(document, its_items))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", _seconds(data.results))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="utf-8"?>\n', "\n")
    )


def located_junit_xml(data: RunData) -> str:
    """The document for readers that link a case to its file: GitLab, and actions that annotate."""
    return junit_xml(data, located=True)


def _suite(document: _Document, items: Sequence[CellRecord | ExcludedCell]) -> ET.Element:
    data = document.data
    results = [item.result for item in items if isinstance(item, CellRecord) and item.result]
    cases: list[TestCase] = []
    for item in items:
        if isinstance(item, ExcludedCell):
            cases.append(_excluded(item))
        else:
            cases += [_case(document, item), *_user_cases(document, item)]
    suite = TestSuite(
        _class_name(items[0].cell.scenario),
        cases,
        timestamp=_stamp(min((result.started for result in results), default=data.plan.created)),
        properties=_properties(data, items, results),
        file=_suite_file(document, items),
        stdout="\n".join(suite_text(data, [item.cell for item in items])),
    )
    element: ET.Element = suite.build_xml_doc()
    element.attrib.pop("disabled", None)
    element.set("time", _seconds(results))
    return element


def _class_name(scenario: str) -> str:
    """A name without dots, since readers cut it at the last one: a scenario's name may have some."""
    return f"{PACKAGE}.{visible(scenario).replace('.', '_')}"


def _suite_file(document: _Document, items: Iterable[CellRecord | ExcludedCell]) -> str | None:
    """The scenario's file, which the strict schema allows of a suite: one action takes it for each case."""
    found = (cause_words.place_of(item) for item in items if isinstance(item, CellRecord))
    return next((document.file(place) for place in found if place), None)


def _frame(file: str, line: int) -> str:
    """A place as a frame of Java, the one form from which dorny/test-reporter takes a file and a line."""
    folder, _, name = file.rpartition("/")
    return f"\nat {folder.replace('/', '.')}({name}:{line})"


def _stamp(text: str) -> str | None:
    """A time as the schema takes it; None for a text that is none, which a run from elsewhere may have."""
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _properties(
    data: RunData, items: Sequence[CellRecord | ExcludedCell], results: Sequence[CellResult]
) -> dict[str, str]:
    """The values of each axis that the suite's cells have, the run, and the explanations of its cells.

    The schema allows properties of suites only; a case has its axes in its details.
    """
    axes: dict[str, dict[str, None]] = {axis: {} for axis in STANDARD_AXES}
    for item in items:
        if isinstance(item, CellRecord):
            for axis, value in item.cell.axes.items():
                axes.setdefault(axis, {})[value] = None
    named = {axis: ", ".join(values) for axis, values in axes.items() if values}
    emulated = any(trial.outcome.emulated for result in results for trial in result.trials)
    run = {"run": data.plan.run, "profile": data.plan.profile, "emulated": str(emulated).lower()}
    if data.plan.engine:
        run["engine"] = data.plan.engine
    if data.plan.missing_shards:
        run["missing_shards"] = ", ".join(data.plan.missing_shards)
    if data.plan.missing:
        run["missing_cells"] = f"{sum(item.count for item in data.plan.missing)}"
    shown = dict.fromkeys(item.words for cell in items for item in data.explained.get(cell.cell.id, ()))
    said = {f"explanation.{number}": text for number, text in enumerate(shown, start=1)}
    return {name: visible(value) for name, value in (named | run | said).items()}


def _case(document: _Document, record: CellRecord) -> TestCase:
    data, result, places = document.data, record.result, document.places
    place = cause_words.place_of(record) if document.located else None
    file = document.file(place) if place else None
    case = TestCase(
        record.id,
        classname=_class_name(record.cell.scenario),
        elapsed_sec=round(result.seconds, 3) if result else None,
        file=file,
        line=place.line if place else None,
    )
    message = one_line(first_line(data, record), MESSAGE_LIMIT)
    whole = record.id in places.own
    text = details(data, places, record) if whole else brief(data, places, record)
    text = f"{message}\n{visible(text)}" + (_frame(file, place.line) if file and place and place.line else "")
    if record.status is Status.FAIL:
        case.add_failure_info(message, text, "fail")
    elif record.status in (Status.ERROR, Status.NOT_RUN):
        case.add_error_info(message, text, str(record.status))
    elif record.status is Status.SKIP:
        case.add_skipped_info(message, text)
    if result and whole:
        limit = min(LIMIT, OUTPUT // (2 * len(places.own)))
        case.stdout = output(data, result, "stdout", limit)
        case.stderr = output(data, result, "stderr", limit)
    if record.status is Status.PASS:
        # A passed case has no message, and readers want to see an expected crash.
        case.stdout = f"{text}\n\nstdout:\n{case.stdout}" if whole else message
    return case


def _user_cases(document: _Document, record: CellRecord) -> Iterator[TestCase]:
    """A case for each of the user's tests in the trial that stands for a cell, those that failed first.

    Its name is the test's node id with the cell's environment. The text of a failure is left out where the
    cell has no full details, and tests beyond the cell's share of the document are.
    """
    trial = cell_words.telling_trial(record.result) if record.result else None
    tests = trial.outcome.tests if trial else None
    share = max(USER_TESTS_AT_LEAST, USER_TESTS // max(1, len(document.data.records)))
    ranked = sorted(tests.cases if tests else (), key=lambda case: not case.outcome.is_bad)
    for case in ranked[:share]:
        yield _user_case(document, record, case)


def _user_case(document: _Document, record: CellRecord, case: UserCase) -> TestCase:
    """A test that failed is no failure where its cell is as expected: it is skipped, with the reason."""
    where = record.id.removeprefix(f"{record.cell.scenario}/")
    file = visible(case.node.partition("::")[0])
    item = TestCase(
        one_line(f"{case.node} [{where}]", MESSAGE_LIMIT),
        classname=_class_name(record.cell.scenario),
        elapsed_sec=round(case.seconds, 3),
        file=file if document.located else None,
    )
    message = one_line(case.message or case.outcome, MESSAGE_LIMIT)
    detail = case.detail or "" if record.id in document.places.own else ""
    text = f"{message}\n{visible(detail)}".rstrip()
    if case.outcome.is_bad and record.status is Status.PASS:
        said = one_line(f"{case.outcome}, as the cell expects: {message}", MESSAGE_LIMIT)
        item.add_skipped_info(said, said)
    elif case.outcome is CaseOutcome.FAILED:
        item.add_failure_info(message, text, "fail")
    elif case.outcome.is_bad:
        item.add_error_info(message, text, str(case.outcome))
    elif case.outcome in (CaseOutcome.SKIPPED, CaseOutcome.XFAILED):
        item.add_skipped_info(message, message)
    return item


def _excluded(item: ExcludedCell) -> TestCase:
    case = TestCase(item.cell.id, classname=_class_name(item.cell.scenario))
    message = one_line(item.reason, MESSAGE_LIMIT)
    case.add_skipped_info(message, f"{message}\nrule: {visible(item.where)}" if item.where else message)
    return case


def _seconds(results: Iterable[CellResult]) -> str:
    return f"{sum(result.seconds for result in results):.3f}"
