"""The cells as columns of numbers: what the grid of the overview filters and turns in the browser.

Every text is in a table once and named by its number, so that ten thousand cells are a few hundred kilobytes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from packaging.version import InvalidVersion, Version

from orchestrator.model import Cell, axis_sort_key
from orchestrator.report import words
from orchestrator.report.changes import SPARK, Changes
from orchestrator.report.data import CellRecord, RunData, Status
from orchestrator.report.packing import Places
from orchestrator.report.signatures import SignatureGroup
from orchestrator.report.text import one_line

LETTERS: Final = {
    Status.FAIL: "f",
    Status.ERROR: "e",
    Status.NOT_RUN: "n",
    Status.SKIP: "s",
    Status.PASS: "p",
}
EXCLUDED: Final = "x"
WORDS: Final = 240
"""Characters of a reason that the grid knows; the cell's page has all of it."""


class Table:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, a new one where it was not there yet."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """All texts, by number."""
        return list(self._numbers)


def grid_data(
    data: RunData, places: Places, signatures: Sequence[SignatureGroup], changed: Changes
) -> Mapping[str, object]:
    """What grid.js reads: axes with their values in order, then one column for each fact of the cells.

    Excluded cells come after the planned ones, so that what was left out can be seen beside what ran.
    """
    excluded = data.plan.excluded
    cells = [record.cell for record in data.records] + [item.cell for item in excluded]
    seen, why, kinds, past = Table(), Table(), Table(), Table()
    order = {group.signature: number for number, group in enumerate(signatures)}
    none = kinds.number("")
    turned = {cell: kinds.number(kind) for cell, kind in changed.kinds.items()}
    series = data.history.cells if data.history and len(data.history.runs) > 1 else {}
    blank = seen.number("")
    return {
        "axes": _axes(cells),
        "planned": len(data.records),
        "ids": [cell.id for cell in cells],
        "status": "".join(LETTERS[record.status] for record in data.records) + EXCLUDED * len(excluded),
        "seen": [seen.number(one_line(words.cell_seen(record), 80)) for record in data.records]
        + [blank] * len(excluded),
        "why": [why.number(one_line(record.reason, WORDS)) for record in data.records]
        + [why.number(one_line(item.reason, WORDS)) for item in excluded],
        "signatures": [_signatures_of(record, order) for record in data.records],
        "change": [turned.get(record.cell.id, none) for record in data.records],
        "past": [past.number(series.get(record.cell.id, "")[-SPARK:]) for record in data.records],
        "own": "".join("1" if record.cell.id in places.own else "0" for record in data.records),
        "care": "".join("1" if words.cautions(record.result) else "0" for record in data.records),
        "tables": {"seen": seen.texts, "why": why.texts, "change": kinds.texts, "past": past.texts},
        "names": [{"slug": group.slug, "text": one_line(group.signature)} for group in signatures],
    }


def sorted_values(axis: str, values: set[str]) -> list[str]:
    """An axis' values in its order; an own axis orders as versions do where all its values are some."""
    if "" in values:
        return [*sorted_values(axis, values - {""}), ""]
    try:
        return sorted(values, key=Version)
    except InvalidVersion:
        return sorted(values, key=lambda value: axis_sort_key(axis, value))


def _axes(cells: Sequence[Cell]) -> list[Mapping[str, object]]:
    """Each axis with its values in order and each cell's value by number; "" where it has no such axis."""
    rows = [cell.axes for cell in cells]
    names = dict.fromkeys(name for row in rows for name in row)
    axes: list[Mapping[str, object]] = []
    for name in names:
        column = [row.get(name, "") for row in rows]
        values = sorted_values(name, set(column))
        numbers = {value: number for number, value in enumerate(values)}
        axes.append({"name": name, "values": values, "cells": [numbers[value] for value in column]})
    return axes


def _signatures_of(record: CellRecord, order: Mapping[str, int]) -> list[int]:
    trials = record.result.trials if record.result else ()
    return sorted({order[trial.crash.signature] for trial in trials if trial.crash})
