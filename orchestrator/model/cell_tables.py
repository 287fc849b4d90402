"""The cells of plan.json: every value once in a table, and a row of indices for each cell."""

from collections.abc import Iterable, Sequence
from operator import lt
from typing import Annotated, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from orchestrator.model.base import LARGEST, Integer, Seconds, Value
from orchestrator.model.catalogue import MadeOf
from orchestrator.model.memory import DEFAULT_MEMORY
from orchestrator.model.scenario import Expectation, Toolchain
from orchestrator.model.selection import AxisValues, check_axis_values
from orchestrator.model.terms import PlannedTerms

Index = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
"""The place of an entry in a table, from 0."""
Row = tuple[Index, ...]
"""A cell: a grid's index, the index of the value of each of its axes, and the index of its terms."""

Entry = TypeVar("Entry")


class IndexedTerms(Value):
    """`PlannedTerms` with indices into the tables in place of what many of them share."""

    expectation: Index
    trials: Integer
    trials_per_container: Integer
    timeout: Seconds
    options: Index
    image: Index
    made_of: Index | None
    toolchain: Toolchain | None
    emulated: bool
    network: bool = False
    memory: Integer = DEFAULT_MEMORY
    lock: str | None = None
    tools: str | None = None
    built: tuple[str, ...] = ()


class CellTables(Value):
    """All cells of a plan, in its order: every value once, and rows of indices from 0.

    The row [g, a, b, ..., t] is the cell of the grid `grids[g]` that has value a of the grid's first axis,
    value b of its second and so on, and runs under `terms[t]`.
    """

    grids: tuple[AxisValues, ...]
    """Values by axis, in the order of `Cell.axes`; cells of one scenario share a grid."""
    expectations: tuple[Expectation, ...]
    options: tuple[tuple[str, ...], ...]
    made_of: tuple[MadeOf, ...]
    images: tuple[str, ...]
    """Keys of images, whose specifications are the plan's `images`."""
    terms: tuple[IndexedTerms, ...]
    rows: tuple[Row, ...]
    """Last, so that a writer can go on with them by the chunk."""

    @field_validator("grids")
    @classmethod
    def _are_whole(cls, grids: tuple[AxisValues, ...]) -> tuple[AxisValues, ...]:
        for axes in grids:
            check_axis_values(axes)
        return grids

    @model_validator(mode="after")
    def _indices_are_in_range(self) -> Self:
        for number, terms in enumerate(self.terms):
            tables = {
                "expectation": self.expectations, "options": self.options,
                "image": self.images, "made_of": self.made_of,
            }  # fmt: skip
            for name, table in tables.items():
                index = getattr(terms, name)
                if index is not None and index >= len(table):
                    raise ValueError(f"terms {number} have {name} {index}, of {len(table)} that there are")
        limits = [(len(self.grids), *map(len, axes.values()), len(self.terms)) for axes in self.grids]
        for number, row in enumerate(self.rows):
            # The grid's index decides what the others may be, so it is checked first.
            if not row or row[0] >= len(limits) or len(row) != len(limits[row[0]]):
                raise ValueError(f"row {number} fits no grid")
            if not all(map(lt, row, limits[row[0]])):
                raise ValueError(f"row {number} has an index beyond its table")
        return self

    @classmethod
    def of(cls, grids: Sequence[AxisValues], terms: Sequence[PlannedTerms], rows: Iterable[Row]) -> Self:
        """Tables of these terms, for rows that name the terms by their place."""
        expectations = _numbered(item.expectation for item in terms)
        options = _numbered(item.options for item in terms)
        images = _numbered(item.image for item in terms)
        made_of = _numbered(item.made_of for item in terms if item.made_of)
        indexed = tuple(
            IndexedTerms(
                expectation=expectations[item.expectation],
                trials=item.trials,
                trials_per_container=item.trials_per_container,
                timeout=item.timeout,
                options=options[item.options],
                image=images[item.image],
                made_of=made_of[item.made_of] if item.made_of else None,
                toolchain=item.toolchain,
                emulated=item.emulated,
                network=item.network,
                memory=item.memory,
                lock=item.lock,
                tools=item.tools,
                built=item.built,
            )
            for item in terms
        )
        return cls(
            grids=tuple(grids),
            expectations=tuple(expectations),
            options=tuple(options),
            made_of=tuple(made_of),
            images=tuple(images),
            terms=indexed,
            rows=tuple(rows),
        )

    @property
    def planned_terms(self) -> tuple[PlannedTerms, ...]:
        """The terms with the tables' entries in place of indices."""
        return tuple(
            PlannedTerms(
                expectation=self.expectations[item.expectation],
                trials=item.trials,
                trials_per_container=item.trials_per_container,
                timeout=item.timeout,
                options=self.options[item.options],
                image=self.images[item.image],
                made_of=None if item.made_of is None else self.made_of[item.made_of],
                toolchain=item.toolchain,
                emulated=item.emulated,
                network=item.network,
                memory=item.memory,
                lock=item.lock,
                tools=item.tools,
                built=item.built,
            )
            for item in self.terms
        )


def _numbered(entries: Iterable[Entry]) -> dict[Entry, int]:
    """Entries by their place in a table that has each once."""
    return {entry: number for number, entry in enumerate(dict.fromkeys(entries))}
