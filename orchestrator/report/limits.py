"""The limits of a whole run: axes of one value, axes that change together; and cells that would settle it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.model import ABSENT, STANDARD_AXES, Cell, Finding
from orchestrator.report.axes import SCENARIO, shown_axes
from orchestrator.rundir import RunData, Status

SETTLING: Final = 4
"""Cells that the command runs at most."""


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """Limits of the whole run in sentences, and the arguments of `crashmatrix run` that would settle them."""

    sentences: tuple[str, ...]
    settling: tuple[str, ...]
    """Ids of cells that were not planned."""


def run_limits(data: RunData) -> RunLimits:
    """The limits of the run's cells, each once."""
    cells = [record.cell for record in data.records]
    merged = [axis for axis in shown_axes(cells, len(cells)) if len(axis.parts) > 1]
    said = [f"{' and '.join(axis.parts)} change together" for axis in merged]
    only = [f"{axis} {value}" for axis, value in _single(cells)]
    if only:
        said.append(f"only {', '.join(only)} ran")
    return RunLimits(sentences=tuple(said), settling=_settling(data, [axis.parts for axis in merged]))


def _single(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """The standard axes of which one value was planned, with that value."""
    found = {axis: {str(getattr(cell, axis)) for cell in cells} for axis in STANDARD_AXES if axis != SCENARIO}
    return [
        (axis, values.pop()) for axis, values in found.items() if len(values) == 1 and ABSENT not in values
    ]


def _settling(data: RunData, groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Cells with one axis value of a cell that shows a cause, and another value of a cell that does not.

    They separate axes that change together. Only a run shows whether there is an interpreter for them.
    """
    found: dict[str, None] = {}
    for cause in data.open_causes:
        shown = data.by_id.get(cause.example)
        if shown is None or cause.where is None or cause.where.finding is not Finding.TIE:
            continue
        for group in groups:
            other = _opposite(data, shown.cell, group)
            if other is None:
                continue
            for part in group:
                axes = shown.cell.axes | {part: other.axes[part]}
                found.setdefault(Cell.from_axes(axes).id)
    return tuple(cell for cell in found if cell not in data.by_id)[:SETTLING]


def _opposite(data: RunData, cell: Cell, group: tuple[str, ...]) -> Cell | None:
    """A cell that is as expected and differs from one that is not only in the axes of a group."""

    def rest(of: Cell) -> dict[str, str]:
        return {axis: value for axis, value in of.axes.items() if axis not in group}

    same = rest(cell)
    passing = (record.cell for record in data.records if record.status is Status.PASS)
    return next((other for other in passing if rest(other) == same), None)
