"""A run as values: its plan, the records of its cells, and what was derived from them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Final

from orchestrator.adapters.inside import find_inside
from orchestrator.model import (
    Cause,
    CauseState,
    Cell,
    CellResult,
    Checked,
    Comparison,
    Explanation,
    History,
    Plan,
    PlannedCell,
    PlannedImage,
    ScenarioText,
)
from orchestrator.rundir import layout
from orchestrator.rundir.inside import InsideFiles

NOT_RUN: Final = "not run: interrupted"
MAX_SECONDS: Final = 20
BUILD_SECONDS: Final = re.compile(rb"\d{1,6}\.\d{1,3}")


class Status(StrEnum):
    """The verdict of a planned cell, or that it has none; worst first."""

    FAIL = "fail"
    ERROR = "error"
    NOT_RUN = "not run"
    SKIP = "skip"
    PASS = "pass"


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """A planned cell with its result; None where it did not run."""

    planned: PlannedCell
    result: CellResult | None

    @property
    def cell(self) -> Cell:
        """The cell itself."""
        return self.planned.cell

    @cached_property
    def id(self) -> str:
        """The cell's id, put together once: every page asks for it many times."""
        return self.cell.id

    @cached_property
    def status(self) -> Status:
        """The verdict, or `not run`."""
        return Status(self.result.judgement.verdict.value) if self.result else Status.NOT_RUN

    @property
    def reason(self) -> str:
        """The sentence that gives the reason for the status."""
        return self.result.judgement.reason if self.result else NOT_RUN


@dataclass(frozen=True, kw_only=True)
class RunData:
    """A run's plan and the results that exist, in the plan's order.

    `folder` is resolved: it has no links. Everything else may come from another machine.
    """

    folder: Path
    plan: Plan
    records: tuple[CellRecord, ...]
    explanations: tuple[Explanation, ...] = ()
    """The explanations, worst first; empty if none were computed."""
    causes: tuple[Cause, ...] = ()
    """The causes, worst and newest first; then those of earlier runs that are fixed."""
    comparison: Comparison | None = None
    """The run against its baseline; None where there is no baseline."""
    history: History | None = None
    """The runs that were beside this one when it was reported."""
    checked: Checked | None = None
    """The findings of the check that this run is of."""

    @cached_property
    def results(self) -> tuple[CellResult, ...]:
        """The results of the cells that ran."""
        return tuple(record.result for record in self.records if record.result)

    @property
    def planned_results(self) -> Iterator[tuple[Cell, CellResult | None]]:
        """Each planned cell with its result, if there is one."""
        return ((record.cell, record.result) for record in self.records)

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """The number of cells of each status; excluded cells count as skipped."""
        counts = Counter(record.status for record in self.records)
        counts[Status.SKIP] += self.plan.excluded_count
        return {status: counts[status] for status in Status}

    @cached_property
    def scenario_text(self) -> Mapping[str, ScenarioText]:
        """The scenarios in words, by name; a plan of an earlier version has none."""
        return {item.name: item for item in self.plan.scenarios}

    @cached_property
    def images(self) -> Mapping[str, PlannedImage]:
        """The plan's images by key."""
        return {image.key: image for image in self.plan.images}

    @cached_property
    def worst_first(self) -> tuple[CellRecord, ...]:
        """All planned cells by status, worst first; those of one status stay in the plan's order."""
        order = list(Status)
        return tuple(sorted(self.records, key=lambda record: order.index(record.status)))

    @cached_property
    def by_id(self) -> Mapping[str, CellRecord]:
        """The planned cells by id."""
        return {record.id: record for record in self.records}

    @cached_property
    def explained(self) -> Mapping[str, tuple[Explanation, ...]]:
        """The explanations of what a cell shows, by the cell's id; worst subjects first."""
        found: dict[str, list[Explanation]] = {}
        for item in self.explanations:
            for cell in item.cells:
                found.setdefault(cell, []).append(item)
        return {cell: tuple(items) for cell, items in found.items()}

    @cached_property
    def open_causes(self) -> tuple[Cause, ...]:
        """The causes that this run shows."""
        return tuple(cause for cause in self.causes if cause.state is not CauseState.FIXED)

    @cached_property
    def fixed_causes(self) -> tuple[Cause, ...]:
        """Causes of earlier runs that this run no longer shows, though it saw their cells."""
        return tuple(cause for cause in self.causes if cause.state is CauseState.FIXED)

    @cached_property
    def cause_of(self) -> Mapping[str, Cause]:
        """The cause of each cell that is not as expected, by the cell's id."""
        return {cell: cause for cause in self.open_causes for cell in cause.cells}

    def build_seconds(self, image: PlannedImage) -> float:
        """How long the build of an image took; 0 where this run did not build it."""
        if (stream := self.opened(layout.build_seconds(image))) is None:
            return 0.0
        with stream:
            said = BUILD_SECONDS.fullmatch(stream.read(MAX_SECONDS))
        return float(said[0]) if said else 0.0

    def inside(self, name: str) -> Path | None:
        """The file of this relative name; None where it is no regular file or lies outside of the folder."""
        return self._files.find(name)

    def has(self, name: str) -> bool:
        """Whether `inside` finds a file of this name."""
        return self._files.has(name)

    def opened(self, name: str) -> BufferedReader | None:
        """The file of this relative name, opened for reading; None as of `inside`, or if unreadable."""
        try:
            stream = find_inside(self.folder, name)
        except (OSError, ValueError):  # it leads out of the folder, or no file can have that name
            return None
        if stream:
            self._files.note_opened(name)
        return stream

    @cached_property
    def _files(self) -> InsideFiles:
        return InsideFiles(self.folder)
