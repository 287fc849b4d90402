"""The text of a case of junit.xml: what was expected, what was seen, how to repeat it."""

from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.adapters.visible import visible
from orchestrator.model import CauseKind, Cell, CellResult
from orchestrator.report import cause_words, cautions, cell_words, crash_words
from orchestrator.report.packing import Places
from orchestrator.report.text import excerpt_text, read_excerpt
from orchestrator.rundir import CellRecord, RunData, Status

TELLING: Final = frozenset({CauseKind.HANG, CauseKind.MISSING, CauseKind.BUILD})
"""Kinds of causes with more detail than a cell's reason: a deadlock, the image that did not build."""


def suite_text(data: RunData, cells: Iterable[Cell]) -> Iterator[str]:
    """The causes of a suite's cells, worst first, as all reports list them."""
    ids = {cell.id for cell in cells}
    for cause in data.open_causes:
        if not ids.isdisjoint(cause.cells):
            yield from cause_words.lines(cause)


def first_line(data: RunData, record: CellRecord) -> str:
    """Why a cell has its status: its reason, or its cause if that has more detail."""
    cause = data.cause_of.get(record.id)
    return cause_words.what(cause) if cause and cause.kind in TELLING else record.reason


def _cause(data: RunData, record: CellRecord) -> list[str]:
    """The cause of a cell that is not as expected, with the share of the cells that show it."""
    cause = data.cause_of.get(record.id)
    if cause is None:
        return []
    lines = [f"reason: {record.reason}"] if cause.kind in TELLING else []
    lines.append(f"cause: {cause_words.sentence(cause)} ({cause_words.share(cause)})")
    return lines + ([f"where: {cause_words.where(cause)}"] if cause.where else [])


def brief(data: RunData, places: Places, record: CellRecord) -> str:
    """The text of a cell without full details: its cause, where the details are, and how to repeat it."""
    lines = [*_cause(data, record), *([f"repeat: {record.result.repeat}"] if record.result else [])]
    return "\n".join([*lines, f"page: {_page(places, record)}"])


def _page(places: Places, record: CellRecord) -> str:
    """A cell's page in the run's folder, as a browser takes it."""
    page, fragment = places.url(record)
    return f"{page}#{fragment}" if fragment else page


def details(data: RunData, places: Places, record: CellRecord) -> str:
    """The details of a failed case, from the expectation to the command that repeats it."""
    expectation, result = record.planned.expectation, record.result
    lines = [
        *_cause(data, record),
        f"cell: {record.id}",
        f"axes: {', '.join(f'{axis}={value}' for axis, value in record.cell.axes.items())}",
        f"expected: {cell_words.expected(expectation)}"
        + (f", because {expectation.because}" if expectation.because else ""),
    ]
    place = cause_words.place_of(record)
    lines += [f"rule: {cause_words.place_text(place)}"] if place else []
    if record.status is not Status.PASS:
        lines += [f"difference: {item.words}" for item in data.explained.get(record.id, ())]
    lines += [f"caution: {caution}" for caution in cautions.cautions(result)]
    if result:
        trial = cell_words.telling_trial(result)
        if trial:
            lines += [f"seen: {cell_words.trial_seen(trial)}", f"core: {cell_words.core_words(trial.core)}"]
            lines += [f"host: {result.host.name}"] if result.host else []
            lines += [f"tests: {cell_words.test_counts(trial.outcome.tests)}"] if trial.outcome.tests else []
            lines += cell_words.evidence_lines(trial)
        for crash, whose in cell_words.crashes_of(trial) if trial else ():
            lines += [f"signature{whose}: {crash.signature}", "", crash_words.backtrace_text(crash), ""]
        lines.append(f"repeat: {result.repeat}")
    lines.append(f"page: {_page(places, record)}")
    return "\n".join(lines)


def output(data: RunData, result: CellResult, which: str, limit: int) -> str:
    """One stream of the telling trial, cut in the middle where it is long."""
    trial = cell_words.telling_trial(result)
    if trial is None:
        return ""
    name = trial.outcome.stdout if which == "stdout" else trial.outcome.stderr
    stream = data.opened(name)
    if stream is None:
        return f"[{visible(name)} is not in the run's folder]"
    with stream:
        return excerpt_text(read_excerpt(stream, limit, visible), visible(name))
