"""Plans: which cells run, on which image, against which expectation; which do not, and why."""

from collections.abc import Iterator
from typing import Final, Literal

from orchestrator.model.base import Integer, Value
from orchestrator.model.cell import VERSION_AXES
from orchestrator.model.estimate import Budget, Estimate
from orchestrator.model.planned_cells import PlannedCells
from orchestrator.model.selection import Covered, ExcludedCell, ExcludedCells, UnavailableValue

PLAN_SCHEMA: Final = 3
"""Version of plan.json, whose cells are rows of indices since 3. A reader refuses any other."""
MAX_CELLS: Final = 1_000_000
"""Cells of a cross product, excluded ones included. A plan of so many takes 4 s and 250 MB (bench),
but reports, comparisons and explanations make a value for each, excluded or not: more would fill memory."""


class PlannedImage(Value):
    """An image of a plan as plan.json lists it: every key is fixed before anything is built."""

    key: str
    tag: str
    role: str
    arch: str
    parents: tuple[str, ...]


class ScenarioText(Value):
    """A scenario in words, for reports: its title, and what it asks in one sentence, which may be empty.

    `file` is its file, relative to the project; None where the plan does not say.
    """

    name: str
    title: str
    question: str = ""
    file: str | None = None


class RunIdentity(Value):
    """The identity of a run, as far as known: the project, the job of CI, the machine, the program."""

    commit: str | None = None
    branch: str | None = None
    job: str | None = None
    """The address of the job of CI that ran it."""
    files: str | None = None
    """The address of the project's folder at that commit; None outside of CI: it may not be pushed."""
    host: str
    kernel: str
    version: str
    """Of crashmatrix."""


class MissingCells(Value):
    """Cells of one architecture that were due and that have no result in a merged run, for one reason."""

    selection: str
    """The flags that chose the cells that were due, of all architectures."""
    arch: str
    reason: str
    count: Integer
    of: Integer
    """How many cells of the architecture were due."""
    example: str


class Plan(Value):
    """plan.json. With the cells' results it is all that resuming, sharding, merging and reports need."""

    schema_version: Literal[3] = PLAN_SCHEMA
    run: str
    created: str
    profile: str
    selection: str
    shard: str | None = None
    chosen: tuple[str, ...] = ()
    """The words behind `crashmatrix run` that choose the same cells again; empty where they are too many."""
    command: str = ""
    """The shell command of these words."""
    identity: RunIdentity | None = None
    """None in a plan of an earlier version, and of several machines."""
    engine: str | None = None
    """The engine that the run used, for example "docker 20.10.24"; None until one was asked."""
    scenarios: tuple[ScenarioText, ...] = ()
    """The scenarios of its cells in words; empty in a plan of an earlier version."""
    unavailable: tuple[UnavailableValue, ...] = ()
    """Axis values that the selection names and that no cell of any shard has."""
    covered: Covered | None = None
    """None where every selectable cell is chosen."""
    budgets: tuple[Budget, ...] = ()
    """What fits into a time, where one was given; a run of several plans may have several."""
    estimate: Estimate | None = None
    """None where nothing asked for it: no budget, no shard, no earlier runs."""
    excluded: tuple[ExcludedCells, ...]
    """The cells that do not run, with their reasons."""
    deselected: Integer
    images: tuple[PlannedImage, ...]
    ordered: tuple[str, ...] = tuple(sorted(VERSION_AXES))
    """Axes that the project's expressions compare as versions; values that were not planned decide it too."""
    missing_shards: tuple[str, ...] = ()
    """Of a merged run: shards that were not there, so that their cells are in no count of it."""
    missing: tuple[MissingCells, ...] = ()
    """Of a run that was merged with a plan of what was due: the cells without a result."""
    replaced: Integer = 0
    """Of a merged run: cells that stood in several runs; the one planned last counts."""
    cells: PlannedCells
    """Last, and its rows last in it, so that they are written by the chunk."""

    @property
    def excluded_count(self) -> int:
        """How many cells do not run."""
        return sum(item.count for item in self.excluded)

    def each_excluded(self) -> Iterator[ExcludedCell]:
        """Every cell that does not run, with its reason, made on demand."""
        for item in self.excluded:
            yield from item.each()

    def chunks(self) -> Iterator[str]:
        """plan.json, piece by piece: a million rows are never one text in memory."""
        tables = self.model_copy(update={"cells": self.cells.without_rows()}).model_dump_json(indent=1)
        before, rows, after = tables.rpartition('"rows": []')
        yield before + rows[:-1]
        for number, chunk in enumerate(self.cells.row_chunks()):
            yield ",\n" if number else "\n"
            yield chunk
        yield "]" + after + "\n"
