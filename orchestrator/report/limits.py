"""What the whole run cannot tell: axes of one value, axes that change together; and what would settle it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.model import ABSENT, STANDARD_AXES, CauseState, Cell, Finding
from orchestrator.report.axes import SCENARIO, shown_axes
from orchestrator.rundir import RunData, Status

SETTLING: Final = 4
"""Cells that the command runs at most."""


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """Sentences that hold for the whole run, and the words behind `crashmatrix run` that would tell more."""

    sentences: tuple[str, ...]
    settling: tuple[str, ...]
    """Ids of cells that were not asked."""


def run_limits(data: RunData) -> RunLimits:
    """What the run's cells cannot tell, said once."""
    cells = [record.cell for record in data.records]
    merged = [axis for axis in shown_axes(cells, len(cells)) if len(axis.parts) > 1]
    said = [f"{' and '.join(axis.parts)} change together here" for axis in merged]
    only = [f"{axis} {value}" for axis, value in _single(cells)]
    if only:
        said.append(f"only {', '.join(only)} ran")
    return RunLimits(sentences=tuple(said), settling=_settling(data, [axis.parts for axis in merged]))


def _single(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """The standard axes of which one value was planned, with that value."""
    found = {axis: {cell.axes[axis] for cell in cells} for axis in STANDARD_AXES if axis != SCENARIO}
    return [
        (axis, values.pop()) for axis, values in found.items() if len(values) == 1 and ABSENT not in values
    ]


def _settling(data: RunData, groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Cells with one axis's value from a cell that shows a cause, and the other's from one that does not.

    They part axes that change together. Whether there is an interpreter for them, a run of them says.
    """
    found: dict[str, None] = {}
    for cause in data.open_causes:
        tied = cause.where and cause.where.finding is Finding.TIE and cause.state is not CauseState.FIXED
        shown = data.by_id.get(cause.example)
        others = (
            record for record in data.records
            if record.cell.scenario == cause.scenario and record.status is Status.PASS
        )  # fmt: skip
        other = next(others, None)
        if not tied or shown is None or other is None:
            continue
        for group in groups:
            for part in group:
                axes = shown.cell.axes | {part: other.cell.axes.get(part, ABSENT)}
                found.setdefault(Cell.from_axes(axes).id)
    return tuple(cell for cell in found if cell not in data.by_id)[:SETTLING]
