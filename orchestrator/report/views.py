"""The contents of the pages: failures, excluded cells, limits of the evidence."""

import functools
import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from markupsafe import Markup, escape

from orchestrator.adapters.visible import visible
from orchestrator.invocation import command
from orchestrator.model import (
    Cause,
    CauseKind,
    CauseState,
    CellResult,
    CoreState,
    ExcludedCell,
    ExcludedCells,
    Explanation,
    Subject,
)
from orchestrator.report import words
from orchestrator.report.changes import Mark
from orchestrator.report.limits import RunLimits, run_limits
from orchestrator.report.picture import Matrix, Picture
from orchestrator.rundir import RunData, Status

LISTED: Final = 40
"""Cells that a group of the overview lists; the grid shows all."""
CAUSES: Final = 20
"""Causes that stand open on the overview; further ones are folded."""
CAUSE_CELLS: Final = 8
"""Cells that a cause names; the grid shows all."""
DIFFERENCES: Final = 6
"""Explanations of failures and signatures that stand open."""
SENTENCES: Final = 100
"""Further explanations that the overview holds, folded."""
NEW_SIGNATURES: Final = 5
"""Signatures not seen before that the overview names."""
TESTS_NAMED: Final = 3
"""Tests that a signature's page names of each cell."""
OCCURRENCES: Final = 200
"""Cells that a signature's page lists."""
SIGNATURES_LISTED: Final = 40
"""Signatures that the overview lists; the most widespread come first."""


@dataclass(frozen=True, kw_only=True)
class BarPart:
    """The planned cells of one status as a part of the bar; in cells from its left end."""

    status: Status
    start: int
    width: int


@dataclass(frozen=True, kw_only=True)
class ExcludedGroup:
    """Cells that one rule excludes."""

    number: int
    reason: str
    where: str | None
    cells: tuple[ExcludedCells, ...]

    @property
    def count(self) -> int:
        """The number of cells."""
        return sum(item.count for item in self.cells)

    @property
    def shown(self) -> tuple[ExcludedCell, ...]:
        """As many as a page has room for."""
        each = itertools.chain.from_iterable(item.each() for item in self.cells)
        return tuple(itertools.islice(each, LISTED))


@dataclass(frozen=True, kw_only=True)
class CauseRow:
    """A cause with its picture; `title` and `question` are its scenario's, where that is first named."""

    cause: Cause
    picture: Picture
    title: str = ""
    question: str = ""

    @property
    def status(self) -> Status:
        """The verdict of its cells; of a fixed one that they pass."""
        if self.cause.state is CauseState.FIXED:
            return Status.PASS
        return Status(self.cause.verdict.value) if self.cause.verdict else Status.NOT_RUN

    @property
    def shape(self) -> str:
        """The symbol of what happened (`o-...` of page.html.j2)."""
        return SHAPES[self.cause.kind]


SHAPES: Final = {
    CauseKind.CRASH: "crash",
    CauseKind.HANG: "hang",
    CauseKind.MISSING: "exit",
    CauseKind.ENDING: "wrong",
    CauseKind.BUILD: "none",
    CauseKind.EVIDENCE: "none",
    CauseKind.ENGINE: "none",
    CauseKind.HOST: "none",
    CauseKind.NOT_RUN: "none",
}


Noted = tuple[Explanation, tuple[str, ...]]
"""An explanation with its notes, without those that an earlier one on the page has already."""


EMULATED, LOST, TRUNCATED, UNREAD, NEAREST, CUT = EVIDENCE = (
    "on an emulated architecture",
    "whose core was lost",
    "with a truncated core",
    "with a core that could not be read",
    "with no more than the nearest symbol at the fault",
    "whose output was cut at the limit",
)
"""What the evidence of a cell may lack."""


def _evidence_limits(result: CellResult) -> set[str]:
    """What the evidence of one cell lacks."""
    found: set[str] = set()
    for trial in result.trials:
        if trial.outcome.emulated:
            found.add(EMULATED)
        if trial.outcome.truncated_streams:
            found.add(CUT)
        for core, crash in trial.cores:
            if core.state is CoreState.LOST:
                found.add(LOST)
            if core.truncated:
                found.add(TRUNCATED)
            if core.state is CoreState.FOUND and crash is None:
                found.add(UNREAD)
        if any(crash.crash.function and not crash.crash.exact for crash in trial.crashes):
            found.add(NEAREST)
    return found


@dataclass(frozen=True, kw_only=True)
class IndexView:
    """The contents of index.html."""

    data: RunData

    @cached_property
    def matrix(self) -> Matrix:
        """The planned cells as squares, for the causes' pictures."""
        return Matrix.of([record.cell for record in self.data.records])

    @cached_property
    def causes(self) -> tuple[CauseRow, ...]:
        """The causes as rows, those that were fixed last."""
        named: set[str] = set()
        return tuple(self._row(cause, named) for cause in self.data.causes)

    def _row(self, cause: Cause, named: set[str]) -> CauseRow:
        known = self.data.scenario_text.get(cause.scenario or "")
        first = known if cause.scenario and cause.scenario not in named else None
        named.add(cause.scenario or "")
        return CauseRow(
            cause=cause,
            picture=self.matrix.marks(cause.cells),
            title=first.title if first else "",
            question=first.question if first else "",
        )

    @cached_property
    def bar(self) -> tuple[BarPart, ...]:
        """The planned cells as one bar, worst first."""
        counts = Counter(record.status for record in self.data.records)
        widths = [counts[status] for status in Status]
        starts = itertools.accumulate(widths, initial=0)
        parts = zip(Status, starts, widths, strict=False)
        return tuple(
            BarPart(status=status, start=start, width=width) for status, start, width in parts if width
        )

    @cached_property
    def excluded(self) -> tuple[ExcludedGroup, ...]:
        """Excluded cells by rule."""
        groups: dict[tuple[str, str | None], list[ExcludedCells]] = {}
        for item in self.data.plan.excluded:
            groups.setdefault((item.reason, item.where), []).append(item)
        return tuple(
            ExcludedGroup(number=number, reason=reason, where=where, cells=tuple(items))
            for number, ((reason, where), items) in enumerate(groups.items(), start=1)
        )

    @cached_property
    def differences(self) -> tuple[Noted, ...]:
        """The explanations of failures and signatures."""
        return tuple(item for item in self._noted if item[0].subject is not Subject.OUTCOME)

    @cached_property
    def outcomes(self) -> tuple[Noted, ...]:
        """The explanations of outcomes."""
        return tuple(item for item in self._noted if item[0].subject is Subject.OUTCOME)

    @cached_property
    def _noted(self) -> tuple[Noted, ...]:
        said: set[str] = set()
        by_subject = sorted(self.data.explanations, key=lambda item: item.subject is Subject.OUTCOME)
        found = []
        for item in by_subject:
            found.append((item, tuple(note for note in item.notes if note not in said)))
            said.update(item.notes)
        return tuple(found)

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        """The limits of the run's evidence, each with its number of cells."""
        cells = Counter(what for result in self.data.results for what in _evidence_limits(result))
        return tuple(f"{words.cells(cells[what])} {what}" for what in EVIDENCE if cells[what])

    @cached_property
    def limits(self) -> RunLimits:
        """What the whole run cannot tell."""
        return run_limits(self.data)

    @property
    def settling_command(self) -> str:
        """The command that runs the cells that would tell more; empty where there are none."""
        cells = [part for cell in self.limits.settling for part in ("--cell", cell)]
        runs = next((result.runs for result in self.data.results), None)
        return f"{runs or command('run')} {shlex.join(cells)}" if cells else ""

    @property
    def wall_seconds(self) -> float | None:
        """The time from the start of the first cell to the end of the last; None where no cell ran."""
        spans = [_span(result) for result in self.data.results if result.trials]
        known = [span for span in spans if span]
        return max(end for _, end in known) - min(start for start, _ in known) if known else None

    @cached_property
    def seconds(self) -> float:
        """The total time of all cells in seconds; parallel cells count separately."""
        return sum(result.seconds for result in self.data.results)


def _span(result: CellResult) -> tuple[float, float] | None:
    """When a cell started and ended, in seconds since the epoch; None where the stamp is no time."""
    try:
        start = datetime.fromisoformat(result.started).timestamp()
    except (ValueError, OverflowError):
        return None
    return start, start + result.seconds


def explained(item: Explanation) -> Markup:
    """The sentence of an explanation, with its rules as code."""
    return _with_code(item.sentence, tuple(rule.expression for rule in item.rules))


@functools.lru_cache(maxsize=64)
def _with_code(sentence: str, expressions: tuple[str, ...]) -> Markup:
    """A sentence with the expressions in it as code; thousands of cells may share one."""
    rules = sorted({visible(expression) for expression in expressions}, key=len, reverse=True)
    sentence = visible(sentence)
    if not rules:
        return escape(sentence)
    parts = re.split("(" + "|".join(re.escape(rule) for rule in rules) + ")", sentence)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def prose(text: str) -> Markup:
    """Sentences of this program, with the commands that stand in backticks as code."""
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:
        return escape(visible(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def mark_counts(marks: Iterable[Mark]) -> list[tuple[str, int]]:
    """How many runs of a sparkline have each verdict, the most frequent first."""
    return Counter(mark.word for mark in marks).most_common()
