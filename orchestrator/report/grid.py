"""The cells as columns of numbers, which the overview's grid filters and pivots in the browser.

Each text stands in a table once and cells refer to it by number, so ten thousand cells take a few hundred
kilobytes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator.model import Cause
from orchestrator.report import cautions, cell_words
from orchestrator.report.axes import SCENARIO, ShownAxis, columns_first, is_environment, shown_axes
from orchestrator.report.changes import SPARK, Changes
from orchestrator.report.packing import Places
from orchestrator.report.signatures import SignatureGroup
from orchestrator.report.text import one_line
from orchestrator.rundir import CellRecord, RunData, Status

LETTERS: Final = {
    Status.FAIL: "f",
    Status.ERROR: "e",
    Status.NOT_RUN: "n",
    Status.SKIP: "s",
    Status.PASS: "p",
}
EXCLUDED: Final = "x"
OUTCOMES: Final = {"crash": "c", "hang": "h", "oom": "o", "exit": "e", "wrong": "w", "none": "n"}
"""A letter for each shape of an outcome."""
LEVELS: Final = 3
"""Axes of each side at most."""
COLUMNS: Final = 48
"""The most columns of the first view."""
SQUARES: Final = 200
"""The most squares of the first view, each of about ten elements; further axes are folded into counts."""
WORDS: Final = 240
"""Characters of a reason in the grid; the cell's page has the whole reason."""


class Table:
    """A table of texts; each text has one number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text; a new text gets the next number."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """All texts, by number."""
        return list(self._numbers)


def grid_data(
    data: RunData, places: Places, signatures: Sequence[SignatureGroup], changed: Changes
) -> Mapping[str, object]:
    """The data of grid.js: the axes with their ordered values, then one column for each fact of the cells.

    Excluded cells follow the planned ones, so that both can be shown together.
    """
    excluded = tuple(data.plan.each_excluded())
    cells = [record.cell for record in data.records] + [item.cell for item in excluded]
    axes = shown_axes(cells, len(data.records))
    causes = {cause.id: number for number, cause in enumerate(data.open_causes)}
    seen, why, kinds, past = Table(), Table(), Table(), Table()
    order = {group.signature: number for number, group in enumerate(signatures)}
    none = kinds.number("")
    turned = {cell: kinds.number(kind) for cell, kind in changed.kinds.items()}
    series = data.history.cells if data.history and len(data.history.runs) > 1 else {}
    blank = seen.number("")
    return {
        "axes": _axes(axes),
        "usual": first_view(axes, len(data.records), _telling(data)),
        "planned": len(data.records),
        "ids": [cell.id for cell in cells],
        "outcomes": "".join(OUTCOMES[cell_words.outcome_shape(record)] for record in data.records)
        + EXCLUDED * len(excluded),
        "cause": [_cause_of(record, data, causes) for record in data.records],
        "causes": [{"id": cause.id, "title": cause.title} for cause in data.open_causes],
        "status": "".join(LETTERS[record.status] for record in data.records) + EXCLUDED * len(excluded),
        "seen": [seen.number(one_line(cell_words.cell_seen(record), 80)) for record in data.records]
        + [blank] * len(excluded),
        "why": [why.number(one_line(record.reason, WORDS)) for record in data.records]
        + [why.number(one_line(item.reason, WORDS)) for item in excluded],
        "signatures": [_signatures_of(record, order) for record in data.records],
        "change": [turned.get(record.id, none) for record in data.records],
        "past": [past.number(series.get(record.id, "")[-SPARK:]) for record in data.records],
        "own": "".join("1" if record.id in places.own else "0" for record in data.records),
        "care": "".join("1" if cautions.cautions(record.result) else "0" for record in data.records),
        "tables": {"seen": seen.texts, "why": why.texts, "change": kinds.texts, "past": past.texts},
        "names": [{"slug": group.slug, "text": one_line(group.signature)} for group in signatures],
    }


def _axes(axes: Sequence[ShownAxis]) -> list[Mapping[str, object]]:
    """Each axis with its values in order and each cell's value by number; "" where it has no such axis."""
    return [
        {
            "name": axis.name,
            "label": axis.label,
            "values": axis.values,
            "part": axis.parts[0],
            "named": axis.named,
            "cells": axis.numbers,
        }
        for axis in axes
    ]


def first_view(
    axes: Sequence[ShownAxis], planned: int, telling: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """The axes that the grid opens with, outermost first: environments down, the scenario first across.

    The axes of the explaining rule (`telling`) follow the scenario. The grid shows the axes that fit; the
    others fold into counts.
    """
    told = frozenset(telling)
    across = sorted(
        columns_first(axes),
        key=lambda axis: (SCENARIO not in axis.parts, told.isdisjoint(axis.parts)),
    )[:LEVELS]
    down = sorted(
        (axis for axis in axes if is_environment(axis)), key=lambda axis: told.isdisjoint(axis.parts)
    )[:LEVELS]
    if not down:
        across, down = (across[:1], across[1:]) if len(across) > 1 else ([], across)

    def lines(chosen: Sequence[ShownAxis]) -> int:
        return len(set(zip(*(axis.numbers[:planned] for axis in chosen), strict=True))) if chosen else 1

    while len(across) > 1 and lines(across) > COLUMNS:
        across.pop()
    while lines(across) * lines(down) > SQUARES and len(across) + len(down) > 2:
        (down if len(down) > max(1, len(across)) else across).pop()
    return {"rows": [axis.name for axis in down], "columns": [axis.name for axis in across]}


def _telling(data: RunData) -> tuple[str, ...]:
    """The axes of the first rule of the worst subject that has one."""
    return next((item.rules[0].axes for item in data.explanations if item.rules), ())


def _cause_of(record: CellRecord, data: RunData, numbers: Mapping[str, int]) -> int:
    """The number of a cell's cause; -1 where it is as expected."""
    cause: Cause | None = data.cause_of.get(record.id)
    return numbers[cause.id] if cause else -1


def _signatures_of(record: CellRecord, order: Mapping[str, int]) -> list[int]:
    trials = record.result.trials if record.result else ()
    return sorted({order[crash.signature] for trial in trials for crash in trial.crashes})
