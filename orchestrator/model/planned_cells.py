"""The cells of a plan as rows of indices; a `PlannedCell` is made at each access."""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, Self, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from orchestrator.model.cell import Cell
from orchestrator.model.cell_tables import CellTables, Row
from orchestrator.model.selection import AxisValues
from orchestrator.model.terms import PlannedCell, PlannedTerms

CHUNK: Final = 10_000
"""Rows that are written at a time: about 300 kB of text."""


class PlannedCells(Sequence[PlannedCell]):
    """The cells of a plan, in its order. Immutable; each access makes its `PlannedCell` anew.

    A cell takes 4 bytes for each of its axes and 8 more; all else is in tables, once.
    """

    def __init__(
        self, grids: Sequence[AxisValues], terms: Sequence[PlannedTerms], rows: Iterable[Sequence[int]]
    ) -> None:
        """Cells from rows as `CellTables` has them, which checks the indices that come from a file."""
        self.grids: Final = tuple(grids)
        self.terms: Final = tuple(terms)
        # Rows of one width, so that a cell is found by its number: a grid of fewer axes is padded with 0.
        self._width: Final = 2 + max(map(len, self.grids), default=0)
        pads = [(0,) * (self._width - 2 - len(axes)) for axes in self.grids]
        whole = ((*row[:-1], *pads[row[0]], row[-1]) if pads[row[0]] else row for row in rows)
        self._rows: Final = array("I", chain.from_iterable(whole))

    @classmethod
    def of(cls, cells: Iterable[PlannedCell]) -> Self:
        """The same cells as rows of tables that are made for them."""
        grids: dict[tuple[str, ...], tuple[int, list[dict[str, int]]]] = {}
        terms: dict[PlannedTerms, int] = {}
        rows: list[Row] = []
        for item in cells:
            axes = item.cell.axes
            number, tables = grids.setdefault(tuple(axes), (len(grids), [{} for _ in axes]))
            indices = (
                table.setdefault(value, len(table))
                for table, value in zip(tables, axes.values(), strict=True)
            )
            named = PlannedTerms.model_validate(
                {name: getattr(item, name) for name in PlannedTerms.model_fields}
            )
            rows.append((number, *indices, terms.setdefault(named, len(terms))))
        values = [
            {axis: tuple(table) for axis, table in zip(names, tables, strict=True)}
            for names, (_, tables) in grids.items()
        ]
        return cls(values, tuple(terms), rows)

    @classmethod
    def from_tables(cls, tables: CellTables) -> Self:
        """The cells of a plan.json."""
        return cls(tables.grids, tables.planned_terms, tables.rows)

    def tables(self) -> CellTables:
        """The cells as plan.json has them."""
        return CellTables.of(self.grids, self.terms, map(self._row, range(len(self))))

    def without_rows(self) -> Self:
        """The tables alone, for a writer that adds the rows by the chunk (`row_chunks`)."""
        return type(self)(self.grids, self.terms, ())

    def row_chunks(self) -> Iterator[str]:
        """All rows as JSON without the outer brackets, a few thousand at a time, each on its line."""
        for start in range(0, len(self), CHUNK):
            rows = [self._row(number) for number in range(start, min(start + CHUNK, len(self)))]
            yield json.dumps(rows, separators=(",", ":"))[1:-1].replace("],[", "],\n[")

    @overload
    def __getitem__(self, index: int) -> PlannedCell: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> PlannedCell | Self:
        """A cell by its number, or some of them."""
        if isinstance(index, slice):
            return type(self)(self.grids, self.terms, map(self._row, range(len(self))[index]))
        row = self._row(range(len(self))[index])
        return PlannedCell.model_validate({**self.terms[row[-1]].__dict__, "cell": self._cell(row)})

    def each_cell(self) -> Iterator[Cell]:
        """The cells without their terms, in half the time."""
        return (self._cell(self._row(number)) for number in range(len(self)))

    def __len__(self) -> int:
        """How many cells run."""
        return len(self._rows) // self._width

    def __eq__(self, other: object) -> bool:
        """Whether the same cells are planned in the same order, whatever their tables."""
        if not isinstance(other, PlannedCells):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Equal cells may have other tables, so that their number is all that is compared."""
        return hash(len(self))

    def __repr__(self) -> str:
        """Short, since a plan may have a million of them."""
        return f"<{len(self)} planned cells>"

    def _row(self, number: int) -> Row:
        start = number * self._width
        row = self._rows[start : start + self._width]
        return (*row[: 1 + len(self.grids[row[0]])], row[-1])

    def _cell(self, row: Row) -> Cell:
        grid, *indices, _ = row
        named = zip(self.grids[grid].items(), indices, strict=True)
        return Cell.from_axes({axis: values[at] for (axis, values), at in named})

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """As `CellTables` on disk and in schemas."""
        tables = handler(CellTables)
        read = core_schema.no_info_after_validator_function(cls.from_tables, tables)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.tables, return_schema=tables),
        )
