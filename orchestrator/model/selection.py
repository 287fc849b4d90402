"""Selections: which cells of a matrix run, by the block; which do not, and why."""

import math
from collections.abc import Iterator
from enum import StrEnum
from itertools import product
from typing import Annotated, Self

from pydantic import Field, field_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Integer, Value
from orchestrator.model.cell import STANDARD_AXES, Cell
from orchestrator.model.terms import CellTerms

AxisValues = dict[str, tuple[str, ...]]
"""The values of each axis, in the order of `Cell.axes`: a cell for each combination of them."""


class Cover(StrEnum):
    """Which selectable cells are chosen: all, or a few that contain every pair or triple of axis values."""

    PAIRWISE = "pairwise"
    THREE_WISE = "3-wise"
    ALL = "all"

    @property
    def strength(self) -> int | None:
        """How many axis values each combination has; None if every cell is chosen."""
        return {Cover.PAIRWISE: 2, Cover.THREE_WISE: 3}.get(self)


class Covered(Value):
    """How much of a selection a cover has, of all shards."""

    cover: Cover
    combinations: Integer
    """The different pairs or triples of axis values that the chosen cells have."""
    of: Integer
    """Those that the selectable cells have."""
    cells: Integer
    selectable: Integer


class ExcludedCell(Value):
    """A cell of the cross product that does not run, with the reason and the rule's place."""

    cell: Cell
    reason: str
    where: str | None = None


class ExcludedCells(Value):
    """Cells that do not run, all for one reason: one for each combination of these axis values.

    In a large matrix a few dozen rules exclude hundreds of thousands of cells. These are therefore kept as
    products, and enumerated only where each one must be named.
    """

    axes: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    """The values of each axis, in the order of `Cell.axes`."""
    reason: str
    where: str | None = None

    @field_validator("axes")
    @classmethod
    def _is_whole(cls, axes: AxisValues) -> AxisValues:
        check_axis_values(axes)
        return axes

    @classmethod
    def one(cls, cell: Cell, reason: str, where: str | None = None) -> Self:
        """A single excluded cell."""
        return cls(axes={axis: (value,) for axis, value in cell.axes.items()}, reason=reason, where=where)

    @property
    def count(self) -> int:
        """How many cells these are."""
        return math.prod(map(len, self.axes.values()))

    def each(self) -> Iterator[ExcludedCell]:
        """Every one of the cells, made as it is asked for."""
        for values in product(*self.axes.values()):
            cell = Cell.from_axes(dict(zip(self.axes, values, strict=True)))
            yield ExcludedCell(cell=cell, reason=self.reason, where=self.where)

    def without_values(self, values: frozenset[tuple[str, str]]) -> "ExcludedCells | None":
        """Those of the cells that have none of these values, given as (axis, value); None where all have."""
        axes = {
            axis: tuple(value for value in known if (axis, value) not in values)
            for axis, known in self.axes.items()
        }
        return self.model_copy(update={"axes": axes}) if all(axes.values()) else None

    def without(self, others: "ExcludedCells") -> tuple["ExcludedCells", ...]:
        """These cells less those that `others` also excludes for the same reason."""
        alike = (self.reason, self.where, *self.axes) == (others.reason, others.where, *others.axes)
        if not alike or any(set(values).isdisjoint(others.axes[axis]) for axis, values in self.axes.items()):
            return (self,)
        left: list[ExcludedCells] = []
        within = self.axes
        for axis, values in self.axes.items():
            outside = tuple(value for value in values if value not in others.axes[axis])
            if outside:
                left.append(self.model_copy(update={"axes": {**within, axis: outside}}))
            within = {**within, axis: tuple(value for value in values if value in others.axes[axis])}
        return tuple(left)


class UnavailableValue(Value):
    """An axis value that the selection names and no cell has: all `count` cells with it are excluded."""

    axis: str
    value: str
    count: Integer
    reasons: tuple[str, ...]
    """Those of most cells first."""


class SelectedCells(Value):
    """Cells that run under the same terms: one for each combination of these axis values."""

    axes: AxisValues
    terms: CellTerms


class Selection(Value):
    """The outcome of expanding a matrix: cells to run, and cells left out with reasons."""

    profile: str
    grids: tuple[AxisValues, ...]
    """One a scenario: all values of its axes, in the order that its cells have."""
    cells: tuple[SelectedCells, ...]
    excluded: tuple[ExcludedCells, ...]
    unavailable: tuple[UnavailableValue, ...] = ()
    cover: Cover = Cover.ALL
    """Which of `cells` are chosen in the end."""
    deselected: Integer
    """How many cells the profile and the flags left out; those carry no reason of their own."""


def check_axis_values(axes: AxisValues) -> None:
    """Raise ValueError where cells of these values lack a standard axis or have an unknown architecture."""
    missing = [axis for axis in STANDARD_AXES if axis not in axes]
    if missing:
        raise ValueError(f"cells without an axis {missing[0]!r}")
    for arch in axes["arch"]:
        Arch.of_matrix(arch)
