"""Plans: which cells run, on which image, against which expectation; which do not, and why."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value
from orchestrator.model.catalogue import MadeOf
from orchestrator.model.cell import STANDARD_AXES, VERSION_AXES, Cell
from orchestrator.model.scenario import Expectation, Toolchain

PLAN_SCHEMA: Final = 2
"""Version of plan.json, in which excluded cells are products since 2. A reader refuses any other."""
MAX_CELLS: Final = 1_000_000
"""A cross product beyond this is a mistake in the matrix, and a report of it would fill memory."""


class ExcludedCell(Value):
    """A cell of the cross product that does not run, with the reason and the rule's place."""

    cell: Cell
    reason: str
    where: str | None = None


class ExcludedCells(Value):
    """Cells that do not run, all for one reason: one for each combination of these axis values.

    Most cells of a large matrix are excluded, hundreds of thousands by a few dozen rules. So they are kept
    as products, and enumerated only where each has to be named.
    """

    axes: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    """The values of each axis, in the order of `Cell.axes`."""
    reason: str
    where: str | None = None

    @field_validator("axes")
    @classmethod
    def _is_whole(cls, axes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        missing = [axis for axis in STANDARD_AXES if axis not in axes]
        if missing:
            raise ValueError(f"excluded cells without an axis {missing[0]!r}")
        for arch in axes["arch"]:
            Arch(arch)
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

    def without(self, others: "ExcludedCells") -> tuple["ExcludedCells", ...]:
        """These cells but for those that `others` has, too, for the same reason."""
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


class SelectedCell(Value):
    """A cell that was asked for, with what its scenario says of it."""

    cell: Cell
    expectation: Expectation
    trials: int
    """The most that are run; a cell is settled by fewer where they tell enough."""
    share: int = 1
    """How many of them may share a container."""
    timeout: float
    options: tuple[str, ...] = ()
    """Options of the launcher's program."""


class Selection(Value):
    """The outcome of expanding a matrix: cells to run and cells left out with reasons."""

    profile: str
    cells: tuple[SelectedCell, ...]
    excluded: tuple[ExcludedCells, ...]
    deselected: int
    """How many cells the profile and the flags left out; those carry no reason of their own."""


class PlannedCell(SelectedCell):
    """A selected cell with its image: `image` is the content-addressed key."""

    image: str
    made_of: MadeOf | None = None
    """The base and the interpreter; None in plans from before these were recorded."""
    toolchain: Toolchain | None = None
    """What compiled the probe; None as above."""
    emulated: bool = False
    """Not the architecture of the host that planned: it runs under qemu-user, with a longer timeout."""


class PlannedImage(Value):
    """An image of a plan as plan.json lists it: every key is fixed before anything is built."""

    key: str
    tag: str
    role: str
    arch: str
    parents: tuple[str, ...]


class Plan(Value):
    """plan.json. With the cells' results it is all that resuming, sharding, merging and reports need."""

    schema_version: Literal[2] = PLAN_SCHEMA
    run: str
    created: str
    profile: str
    selection: str
    shard: str | None = None
    engine: str | None = None
    """The engine that the run used, for example "docker 20.10.24"; None until one was asked."""
    cells: tuple[PlannedCell, ...]
    excluded: tuple[ExcludedCells, ...]
    """Each cell that does not run stands in one of these, with its reason."""
    deselected: int
    images: tuple[PlannedImage, ...]
    ordered: tuple[str, ...] = tuple(sorted(VERSION_AXES))
    """Axes that the project's expressions compare as versions; values that were not planned decide it too."""
    missing_shards: tuple[str, ...] = ()
    """Of a merged run: shards that were not there, so that their cells are in no count of it."""
    replaced: int = 0
    """Of a merged run: cells that stood in several runs; the one planned last counts."""

    @property
    def excluded_count(self) -> int:
        """How many cells do not run."""
        return sum(item.count for item in self.excluded)

    def each_excluded(self) -> Iterator[ExcludedCell]:
        """Every cell that does not run, with its reason, made as it is asked for."""
        for item in self.excluded:
            yield from item.each()
