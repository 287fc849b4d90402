"""junit.xml: one suite an environment, one case a cell; the one module that writes JUnit.

The document is held to the schema that Jenkins' xunit plugin checks (tests/data/junit.xsd), the strictest of
the common readers: it lacks junit-xml's attribute `disabled`, and times have at most three decimals.
So junit-xml makes the suites, and this module makes the document around them.

GitLab takes files of up to 30 MB and 250,000 elements (https://docs.gitlab.com/ci/testing/unit_test_reports),
libxml2 texts of up to 10 MB. So the worst cells, those with a page of their own, have full details and share
one budget of output; the case of another cell has its verdict and reason.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from junit_xml import TestCase, TestSuite

from orchestrator.adapters.visible import visible
from orchestrator.model import ENVIRONMENT_AXES, CaseOutcome, CellResult, ExcludedCell, UserCase
from orchestrator.report import words
from orchestrator.report.packing import Places
from orchestrator.report.text import LIMIT, excerpt_text, one_line, read_excerpt
from orchestrator.rundir import CellRecord, RunData, Status

MESSAGE_LIMIT: Final = 1000
"""Characters of a case's message, which readers show on one line."""
USER_TESTS, USER_TESTS_AT_LEAST = 20_000, 20
"""The user's tests in the document, shared evenly by the cells, and the least of one cell."""
OUTPUT: Final = 1 << 19
"""Bytes of program output in the document; the cells with full details share it evenly."""


def junit_xml(data: RunData) -> str:
    """A run as a JUnit document. A planned cell that did not run is an error; an excluded one is skipped."""
    suites: dict[str, list[CellRecord | ExcludedCell]] = {}
    items: list[CellRecord | ExcludedCell] = [*data.records, *data.plan.each_excluded()]
    for item in items:
        suites.setdefault(item.cell.environment, []).append(item)
    places = Places.of(data)
    root = ET.Element("testsuites", {"name": visible(data.plan.run)})
    for environment, its_items in suites.items():
        root.append(_suite(data, places, environment, its_items))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", _seconds(data.results))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="utf-8"?>\n', "\n")
    )


def _suite(
    data: RunData, places: Places, environment: str, items: Sequence[CellRecord | ExcludedCell]
) -> ET.Element:
    results = [item.result for item in items if isinstance(item, CellRecord) and item.result]
    cases: list[TestCase] = []
    for item in items:
        if isinstance(item, ExcludedCell):
            cases.append(_excluded(item))
        else:
            cases += [_case(data, places, item), *_user_cases(data, places, item)]
    suite = TestSuite(
        environment,
        cases,
        timestamp=_stamp(min((result.started for result in results), default=data.plan.created)),
        properties=_properties(data, items, results),
    )
    element: ET.Element = suite.build_xml_doc()
    element.attrib.pop("disabled", None)
    element.set("time", _seconds(results))
    return element


def _stamp(text: str) -> str | None:
    """A time as the schema takes it; None for a text that is none, which a run from elsewhere may have."""
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _properties(
    data: RunData, items: Sequence[CellRecord | ExcludedCell], results: Sequence[CellResult]
) -> dict[str, str]:
    """The suite's axes by name, the host it ran on, and the explanations of its cells.

    The schema knows properties of suites only; a case says its axes in its details.
    """
    axes = {axis: items[0].cell.axes[axis] for axis in ENVIRONMENT_AXES}
    emulated = any(trial.outcome.emulated for result in results for trial in result.trials)
    run = {"run": data.plan.run, "profile": data.plan.profile, "emulated": str(emulated).lower()}
    if data.plan.engine:
        run["engine"] = data.plan.engine
    if data.plan.missing_shards:
        run["missing_shards"] = ", ".join(data.plan.missing_shards)
    shown = dict.fromkeys(item.words for cell in items for item in data.explained.get(cell.cell.id, ()))
    said = {f"explanation.{number}": text for number, text in enumerate(shown, start=1)}
    return {name: visible(value) for name, value in (axes | run | said).items()}


def _case(data: RunData, places: Places, record: CellRecord) -> TestCase:
    result = record.result
    case = TestCase(
        record.cell.question,
        classname=record.cell.environment,
        elapsed_sec=round(result.seconds, 3) if result else None,
    )
    message = one_line(record.reason, MESSAGE_LIMIT)
    whole = record.id in places.own
    details = visible(_details(data, places, record) if whole else _brief(places, record))
    if record.status is Status.FAIL:
        case.add_failure_info(message, details, "fail")
    elif record.status in (Status.ERROR, Status.NOT_RUN):
        case.add_error_info(message, details, str(record.status))
    elif record.status is Status.SKIP:
        case.add_skipped_info(message, details)
    if result and whole:
        limit = min(LIMIT, OUTPUT // (2 * len(places.own)))
        case.stdout = _output(data, result, "stdout", limit)
        case.stderr = _output(data, result, "stderr", limit)
    if record.status is Status.PASS:
        # A case that passed has no message of its own, and a crash as expected is what a reader wants to see.
        case.stdout = f"{message}\n{details}\n\nstdout:\n{case.stdout}" if whole else message
    return case


def _user_cases(data: RunData, places: Places, record: CellRecord) -> Iterator[TestCase]:
    """A case for each of the user's tests in the trial that stands for a cell, those that failed first.

    Its name is the test's node id, its `classname` the cell's id. The text of a failure is left out where the
    cell has no full details, and tests beyond the cell's share of the document are.
    """
    trial = words.telling_trial(record.result) if record.result else None
    tests = trial.outcome.tests if trial else None
    share = max(USER_TESTS_AT_LEAST, USER_TESTS // max(1, len(data.records)))
    ranked = sorted(tests.cases if tests else (), key=lambda case: not case.outcome.is_bad)
    for case in ranked[:share]:
        yield _user_case(record, case, case.detail or "" if record.id in places.own else "")


def _user_case(record: CellRecord, case: UserCase, detail: str) -> TestCase:
    """A test that failed is no failure where its cell is as expected: it is skipped, with the reason."""
    item = TestCase(
        one_line(case.node, MESSAGE_LIMIT), classname=record.id, elapsed_sec=round(case.seconds, 3)
    )
    message = one_line(case.message or case.outcome, MESSAGE_LIMIT)
    if case.outcome.is_bad and record.status is Status.PASS:
        item.add_skipped_info(one_line(f"{case.outcome}, as the cell expects: {message}", MESSAGE_LIMIT))
    elif case.outcome is CaseOutcome.FAILED:
        item.add_failure_info(message, visible(detail), "fail")
    elif case.outcome.is_bad:
        item.add_error_info(message, visible(detail), str(case.outcome))
    elif case.outcome in (CaseOutcome.SKIPPED, CaseOutcome.XFAILED):
        item.add_skipped_info(message)
    return item


def _excluded(item: ExcludedCell) -> TestCase:
    case = TestCase(item.cell.question, classname=item.cell.environment)
    case.add_skipped_info(one_line(item.reason, MESSAGE_LIMIT), visible(item.where or ""))
    return case


def _brief(places: Places, record: CellRecord) -> str:
    """The text of a cell without full details: where the details are, and how to repeat it."""
    lines = [f"repeat: {record.result.repeat}"] if record.result else []
    return "\n".join([*lines, f"page: {_page(places, record)}"])


def _page(places: Places, record: CellRecord) -> str:
    """A cell's page in the run's folder, as a browser takes it."""
    page, fragment = places.url(record)
    return f"{page}#{fragment}" if fragment else page


def _details(data: RunData, places: Places, record: CellRecord) -> str:
    """What a reader of a failed case needs, from the expectation to the command that repeats it."""
    expectation, result = record.planned.expectation, record.result
    lines = [
        f"cell: {record.id}",
        f"axes: {', '.join(f'{axis}={value}' for axis, value in record.cell.axes.items())}",
        f"expected: {words.expected(expectation)}"
        + (f", because {expectation.because}" if expectation.because else ""),
    ]
    if record.status is not Status.PASS:
        lines += [f"difference: {item.words}" for item in data.explained.get(record.id, ())]
    lines += [f"caution: {caution}" for caution in words.cautions(result)]
    if result:
        trial = words.telling_trial(result)
        if trial:
            lines += [f"seen: {words.trial_seen(trial)}", f"core: {words.core_words(trial.core)}"]
            lines += [f"tests: {words.test_counts(trial.outcome.tests)}"] if trial.outcome.tests else []
            lines += words.evidence_lines(trial)
        for crash, whose in words.crashes_of(trial) if trial else ():
            lines += [f"signature{whose}: {crash.signature}", "", words.backtrace_text(crash), ""]
        lines.append(f"repeat: {result.repeat}")
    lines.append(f"page: {_page(places, record)}")
    return "\n".join(lines)


def _output(data: RunData, result: CellResult, stream: str, limit: int) -> str:
    """One stream of the telling trial, cut in the middle where it is long."""
    trial = words.telling_trial(result)
    if trial is None:
        return ""
    name = trial.outcome.stdout if stream == "stdout" else trial.outcome.stderr
    path = data.inside(name)
    if path is None:
        return f"[{visible(name)} is not in the run's folder]"
    return excerpt_text(read_excerpt(path, limit), visible(name))


def _seconds(results: Iterable[CellResult]) -> str:
    return f"{sum(result.seconds for result in results):.3f}"
