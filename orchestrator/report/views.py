"""What the pages show, arranged: the grid, what is wrong, what was excluded, what limits the evidence."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from packaging.version import Version

from orchestrator.model import (
    ENVIRONMENT_AXES,
    Cell,
    CoreState,
    Crash,
    ExcludedCell,
    NativeFrame,
    axis_sort_key,
)
from orchestrator.report import words
from orchestrator.report.data import CellRecord, RunData, Status
from orchestrator.report.text import Excerpt, read_excerpt

MANY: Final = 400
"""Cells that one group under "What is wrong" lists; the grid shows all."""


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """A square of the grid: a planned cell, or an excluded one with the number of its reason."""

    record: CellRecord | None = None
    excluded: int | None = None

    @property
    def status(self) -> Status:
        """What is shown."""
        return self.record.status if self.record else Status.SKIP


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """An environment, with its axes apart, and its squares in the order of the grid's columns."""

    environment: str
    axes: Mapping[str, str]
    squares: tuple[GridCell | None, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Environments by questions."""

    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


@dataclass(frozen=True, kw_only=True)
class BarPart:
    """The planned cells of one status as a part of the bar; in cells from its left end."""

    status: Status
    start: int
    width: int


@dataclass(frozen=True, kw_only=True)
class WrongGroup:
    """Cells that are wrong for the same reason."""

    status: Status
    reason: str
    records: tuple[CellRecord, ...]

    @property
    def shown(self) -> tuple[CellRecord, ...]:
        """As many as a page can bear."""
        return self.records[:MANY]


@dataclass(frozen=True, kw_only=True)
class ExcludedGroup:
    """Cells that were left out by one rule."""

    number: int
    reason: str
    where: str | None
    cells: tuple[ExcludedCell, ...]


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """A frame as a table shows it; `fault` marks where the original fault happened."""

    index: int
    frame: NativeFrame
    fault: bool


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A trial's stdout or stderr; `excerpt` is None where the file is not there."""

    name: str
    path: str
    cut: bool
    excerpt: Excerpt | None


@dataclass(frozen=True, kw_only=True)
class IndexView:
    """All that index.html shows."""

    data: RunData

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
        groups: dict[tuple[str, str | None], list[ExcludedCell]] = {}
        for item in self.data.plan.excluded:
            groups.setdefault((item.reason, item.where), []).append(item)
        return tuple(
            ExcludedGroup(number=number, reason=reason, where=where, cells=tuple(items))
            for number, ((reason, where), items) in enumerate(groups.items(), start=1)
        )

    @cached_property
    def wrong(self) -> tuple[WrongGroup, ...]:
        """Failures, errors and cells that did not run, by reason."""
        groups: dict[tuple[Status, str], list[CellRecord]] = {}
        for record in self.data.worst_first:
            if record.status in (Status.FAIL, Status.ERROR, Status.NOT_RUN):
                groups.setdefault((record.status, record.reason), []).append(record)
        return tuple(
            WrongGroup(status=status, reason=reason, records=tuple(records))
            for (status, reason), records in groups.items()
        )

    @cached_property
    def grid(self) -> Grid:
        """The grid; environments in which nothing was planned are left to the list of the excluded."""
        squares: dict[str, dict[str, GridCell]] = {}
        environments: dict[str, Cell] = {}
        for record in self.data.records:
            environments.setdefault(record.cell.environment, record.cell)
            squares.setdefault(record.cell.environment, {})[record.cell.question] = GridCell(record=record)
        for group in self.excluded:
            for item in group.cells:
                if item.cell.environment in squares:
                    row = squares[item.cell.environment]
                    row.setdefault(item.cell.question, GridCell(excluded=group.number))
        columns = tuple(sorted({question for row in squares.values() for question in row}))
        ordered = sorted(environments.values(), key=_environment_key)
        return Grid(columns=columns, rows=tuple(_grid_row(cell, columns, squares) for cell in ordered))

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        """What limits the run's evidence, in numbers of cells."""
        results = self.data.results
        trials = [(result, trial) for result in results for trial in result.trials]
        facts = {
            "on an emulated architecture": {r.cell.id for r, t in trials if t.outcome.emulated},
            "whose core was lost": {r.cell.id for r, t in trials if t.core.state is CoreState.LOST},
            "with a truncated core": {r.cell.id for r, t in trials if t.core.truncated},
            "with a core that could not be read": {
                r.cell.id for r, t in trials if t.core.state is CoreState.FOUND and t.crash is None
            },
            "with no more than the nearest symbol at the fault": {
                r.cell.id for r, t in trials if t.crash and t.crash.crash.function and not t.crash.crash.exact
            },
            "whose output was cut at the limit": {r.cell.id for r, t in trials if t.outcome.cut},
        }
        return tuple(f"{words.cells(len(ids))} {what}" for what, ids in facts.items() if ids)

    @cached_property
    def seconds(self) -> float:
        """Time in cells, added up; cells run at once count each."""
        return sum(result.seconds for result in self.data.results)


def stack_rows(crash: Crash, frames: Sequence[NativeFrame]) -> tuple[StackRow, ...]:
    """A thread's frames; the fault is the first one at the crash's own pc."""
    at = (index for index, frame in enumerate(frames) if frame.pc is not None and frame.pc == crash.crash.pc)
    fault = next(at, None)
    return tuple(
        StackRow(index=index, frame=frame, fault=index == fault) for index, frame in enumerate(frames)
    )


def streams(data: RunData, record: CellRecord) -> tuple[Stream, ...]:
    """The telling trial's output, stderr first: it says why."""
    trial = words.telling_trial(record.result) if record.result else None
    if trial is None:
        return ()
    found: list[Stream] = []
    for name, path in (("stderr", trial.outcome.stderr), ("stdout", trial.outcome.stdout)):
        place = data.inside(path)
        excerpt = read_excerpt(place) if place else None
        found.append(Stream(name=name, path=path, cut=name in trial.outcome.cut, excerpt=excerpt))
    return tuple(found)


def _grid_row(cell: Cell, columns: Sequence[str], squares: Mapping[str, Mapping[str, GridCell]]) -> GridRow:
    row = squares[cell.environment]
    axes = {axis: cell.axes[axis] for axis in ENVIRONMENT_AXES}
    return GridRow(environment=cell.environment, axes=axes, squares=tuple(row.get(name) for name in columns))


def _environment_key(cell: Cell) -> tuple[tuple[Version | str, ...], ...]:
    return tuple(axis_sort_key(axis, cell.axes[axis]) for axis in ENVIRONMENT_AXES)
