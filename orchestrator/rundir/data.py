"""A run's folder, read once and checked: all that the reports are rendered from.

The folder may have come from elsewhere (a shard of CI, a download), so nothing in it is trusted:
names that become paths are held to what the matrix allows, and files must lie inside the folder.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from orchestrator.errors import InputError, Location
from orchestrator.model import (
    AXIS_NAME,
    AXIS_VALUE,
    MAX_CELLS,
    PLAN_SCHEMA,
    SCHEMA,
    VERSION_AXES,
    VERSION_VALUE,
    Cell,
    CellResult,
    Comparison,
    Explanation,
    Explanations,
    History,
    Plan,
    PlannedCell,
    PlannedImage,
)

PLAN_FILE: Final = "plan.json"
RESULT_FILE: Final = "result.json"
EXPLANATIONS_FILE: Final = "explanations.json"
COMPARISON_FILE: Final = "comparison.json"
HISTORY_FILE: Final = "history.json"
CELLS: Final = "cells"
MAX_MERGED: Final = 10 * MAX_CELLS
"""Excluded cells of a merged run: each of its runs may have left out another part, for another reason."""
NOT_RUN: Final = "not run: interrupted"
RERUN_HINT: Final = "run the matrix again, or report on another folder"

Document = TypeVar("Document", Plan, CellResult, Explanations, Comparison, History)


class Status(StrEnum):
    """What a report says of a cell, worst first: a verdict, or that there is none."""

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

    @property
    def status(self) -> Status:
        """The verdict, or `not run`."""
        return Status(self.result.judgement.verdict.value) if self.result else Status.NOT_RUN

    @property
    def reason(self) -> str:
        """The sentence that says why."""
        return self.result.judgement.reason if self.result else NOT_RUN


@dataclass(frozen=True, kw_only=True)
class RunData:
    """A run's plan and what there is of its results, in the plan's order."""

    folder: Path
    plan: Plan
    records: tuple[CellRecord, ...]
    explanations: tuple[Explanation, ...] = ()
    """Which axes make the difference, worst first; empty where that was not worked out."""
    comparison: Comparison | None = None
    """Against the baseline, where one was given."""
    history: History | None = None
    """The runs that were beside this one when it was reported."""
    _inside: dict[str, Path | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def results(self) -> tuple[CellResult, ...]:
        """The results of the cells that ran."""
        return tuple(record.result for record in self.records if record.result)

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """How many cells have each status; excluded cells count as skipped."""
        counts = Counter(record.status for record in self.records)
        counts[Status.SKIP] += self.plan.excluded_count
        return {status: counts[status] for status in Status}

    @cached_property
    def images(self) -> Mapping[str, PlannedImage]:
        """The plan's images by key."""
        return {image.key: image for image in self.plan.images}

    @cached_property
    def worst_first(self) -> tuple[CellRecord, ...]:
        """All planned cells, failures first; those of one status stay in the plan's order."""
        order = list(Status)
        return tuple(sorted(self.records, key=lambda record: order.index(record.status)))

    @cached_property
    def by_id(self) -> Mapping[str, CellRecord]:
        """The planned cells by id."""
        return {record.cell.id: record for record in self.records}

    @cached_property
    def explained(self) -> Mapping[str, tuple[Explanation, ...]]:
        """The explanations of what a cell shows, by the cell's id; worst subjects first."""
        found: dict[str, list[Explanation]] = {}
        for item in self.explanations:
            for cell in item.cells:
                found.setdefault(cell, []).append(item)
        return {cell: tuple(items) for cell, items in found.items()}

    def inside(self, name: str) -> Path | None:
        """The file of this relative name, if it is one and lies inside the run's folder."""
        # A page asks several times for each of its files, and following links takes a call for each folder.
        if name not in self._inside:
            path = (self.folder / name).resolve()
            self._inside[name] = path if path.is_relative_to(self.folder) and path.is_file() else None
        return self._inside[name]


def load(folder: Path) -> RunData:
    """Read a run's plan and results, and what was worked out from them.

    Raises InputError where the folder holds no run, a document is damaged or of another schema
    version, or a name in it could not have come from a matrix.
    """
    data = load_results(folder)
    explained = _optional(data.folder / EXPLANATIONS_FILE, Explanations)
    return replace(
        data,
        explanations=explained.explanations if explained else (),
        comparison=_optional(data.folder / COMPARISON_FILE, Comparison),
        history=_optional(data.folder / HISTORY_FILE, History),
    )


def load_results(folder: Path) -> RunData:
    """Read a run's plan and results only; raises InputError as `load` does."""
    folder, plan = folder.resolve(), load_plan(folder)
    records = tuple(CellRecord(planned=item, result=_result(folder, item)) for item in plan.cells)
    return RunData(folder=folder, plan=plan, records=records)


def load_plan(folder: Path) -> Plan:
    """Read a run's plan only; raises InputError as `load` does."""
    plan_file = folder.resolve() / PLAN_FILE
    if not plan_file.is_file():
        raise InputError(
            "there is no plan.json in this folder, so it is no run",
            where=Location(file=str(folder)),
            hint="name a folder under reports/",
        )
    plan = _read(plan_file, Plan)
    _check_plan(plan, plan_file)
    return plan


def _optional(path: Path, kind: type[Document]) -> Document | None:
    return _read(path, kind) if path.is_file() else None


def _result(folder: Path, planned: PlannedCell) -> CellResult | None:
    path = folder / CELLS / planned.cell.id / RESULT_FILE
    if not path.is_file():
        return None
    result = _read(path, CellResult)
    if result.cell != planned.cell:
        raise InputError(
            f"this is the result of another cell, {result.cell.id}",
            where=Location(file=str(path)),
            hint="delete it and resume the run",
        )
    return result


def _read(path: Path, kind: type[Document]) -> Document:
    text, known = path.read_bytes(), PLAN_SCHEMA if kind is Plan else SCHEMA
    try:
        document = kind.model_validate_json(text)
    except ValidationError as error:
        _check_version(path, _stated_version(text, known), known)
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"not a readable {path.name}: {place}: {first['msg']}",
            where=Location(file=str(path)),
            hint=RERUN_HINT,
        ) from error
    stated = document.schema_version if "schema_version" in document.model_fields_set else None
    _check_version(path, stated, known)
    return document


def _stated_version(text: bytes, known: int) -> object:
    """The schema version of a document that does not validate; the known one where it cannot be told."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return known
    return document.get("schema_version") if isinstance(document, dict) else known


def _check_version(path: Path, stated: object, known: int) -> None:
    if stated != known:
        said = "no schema version" if stated is None else f"schema version {stated}"
        raise InputError(
            f"{path.name} has {said}, this program reads {known}",
            where=Location(file=str(path)),
            hint="report with the version of crashmatrix that made the run",
        )


def _check_plan(plan: Plan, where: Path) -> None:
    """Refuse cells that no matrix can hold, and more of them than one can have."""
    for axes in (*plan.cells.grids, *(group.axes for group in plan.excluded)):
        _check_names(((axis, value) for axis, values in axes.items() for value in values), where)
    if plan.excluded_count > MAX_MERGED:
        raise InputError(
            f"{plan.excluded_count:,} cells are excluded, more than any matrix has",
            where=Location(file=str(where)),
            hint=RERUN_HINT,
        )


def _check_names(values: Iterable[tuple[str, str]], where: Path) -> None:
    """Refuse axis values that would make a path or an id that no matrix can make."""
    for axis, value in values:
        allowed = VERSION_VALUE if axis in VERSION_AXES else AXIS_VALUE
        if not AXIS_NAME.fullmatch(axis) or not allowed.fullmatch(value):
            raise InputError(
                f"a cell has {axis[:40]!r} = {value[:80]!r}, which no matrix can hold",
                where=Location(file=str(where)),
                hint=RERUN_HINT,
            )
