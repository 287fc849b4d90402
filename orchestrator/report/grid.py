"""The cells as columns of numbers, which the overview's grid filters and pivots in the browser.

Each text stands in a table once and cells refer to it by number, so ten thousand cells take a few hundred
kilobytes.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from orchestrator.model import ABSENT, Cell, orders_as_version, version_key
from orchestrator.report import words
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
DOWN: Final = ("python", "glibc", "arch")
"""Axes that make rows if no rule decides, in order of preference."""
ACROSS: Final = ("scenario", "launcher", "probe")
"""Axes that stand as columns before a project's own."""
SQUARES: Final = 1600
"""The most squares of the first view; further axes are folded into counts."""
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
    seen, why, kinds, past = Table(), Table(), Table(), Table()
    order = {group.signature: number for number, group in enumerate(signatures)}
    none = kinds.number("")
    turned = {cell: kinds.number(kind) for cell, kind in changed.kinds.items()}
    series = data.history.cells if data.history and len(data.history.runs) > 1 else {}
    blank = seen.number("")
    return {
        "axes": _axes(cells),
        "usual": first_view([record.cell for record in data.records], _telling(data)),
        "planned": len(data.records),
        "ids": [cell.id for cell in cells],
        "status": "".join(LETTERS[record.status] for record in data.records) + EXCLUDED * len(excluded),
        "seen": [seen.number(one_line(words.cell_seen(record), 80)) for record in data.records]
        + [blank] * len(excluded),
        "why": [why.number(one_line(record.reason, WORDS)) for record in data.records]
        + [why.number(one_line(item.reason, WORDS)) for item in excluded],
        "signatures": [_signatures_of(record, order) for record in data.records],
        "change": [turned.get(record.id, none) for record in data.records],
        "past": [past.number(series.get(record.id, "")[-SPARK:]) for record in data.records],
        "own": "".join("1" if record.id in places.own else "0" for record in data.records),
        "care": "".join("1" if words.cautions(record.result) else "0" for record in data.records),
        "tables": {"seen": seen.texts, "why": why.texts, "change": kinds.texts, "past": past.texts},
        "names": [{"slug": group.slug, "text": one_line(group.signature)} for group in signatures],
    }


def sorted_values(axis: str, values: set[str]) -> list[str]:
    """The ordered values of an axis. A user's axis orders as versions if all its values are versions."""
    if "" in values:
        return [*sorted_values(axis, values - {""}), ""]
    if not orders_as_version(axis, values):
        return sorted(values)
    return [
        *sorted(values & {ABSENT}),
        *sorted(values - {ABSENT}, key=lambda value: version_key(axis, value)),
    ]


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


def first_view(cells: Sequence[Cell], telling: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The axes that the grid opens with, at most two down and two across, outermost first.

    Axes of the explaining rule (`telling`) stand outermost, so that the rule shows as whole rows and columns.
    The environment makes rows, the scenario makes columns. Axes with one value are left out.
    """
    rows_of = [cell.axes for cell in cells]
    names = list(dict.fromkeys(name for row in rows_of for name in row))
    varied = [name for name in names if len({row.get(name) for row in rows_of}) > 1]
    down = [name for name in telling if name in DOWN]
    across = [name for name in telling if name not in DOWN]
    rest = [name for name in varied if name not in DOWN and name not in ACROSS]
    rows = _first_two([*down[:2], *across[2:], *DOWN], varied)
    columns = _first_two([*across[:2], *down[2:], *ACROSS, *rest], [n for n in varied if n not in rows])
    if not rows:
        rows, columns = (columns[1:], columns[:1]) if len(columns) > 1 else (columns or names[:1], [])

    def squares(axes: Sequence[str]) -> int:
        return len({tuple(row.get(name) for name in axes) for row in rows_of})

    while squares(rows) * squares(columns) > SQUARES and len(rows) + len(columns) > 2:
        (columns if len(columns) > 1 else rows).pop()
    return {"rows": rows, "columns": columns}


def _first_two(preferred: Iterable[str], allowed: Container[str]) -> list[str]:
    return [name for name in dict.fromkeys(preferred) if name in allowed][:2]


def _telling(data: RunData) -> tuple[str, ...]:
    """The axes of the first rule of the worst subject that has one."""
    return next((item.rules[0].axes for item in data.explanations if item.rules), ())


def _signatures_of(record: CellRecord, order: Mapping[str, int]) -> list[int]:
    trials = record.result.trials if record.result else ()
    return sorted({order[crash.signature] for trial in trials for crash in trial.crashes})
