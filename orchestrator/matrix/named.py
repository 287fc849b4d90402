"""Cells by their ids, as `--cell` and a run that is repeated name them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError
from orchestrator.invocation import command
from orchestrator.matrix.blocks import Block, size
from orchestrator.model import ABSENT, Cell

MOST_NEAR: Final = 2000
"""Ids that a mistaken one is compared with."""


def named_cells(grids: Sequence[Block], wanted: Iterable[str], file: str) -> list[Block]:
    """Each wanted cell as a block; raises InputError, with the nearest id, for one that no grid has.

    An id contains its cell's values except `none`, so only combinations of values that it contains are tried,
    not all cells of a large matrix.
    """
    found: list[Block] = []
    for name in sorted(wanted):
        cell = next(
            (cell for grid in grids for cell in _cells(_standing_in(name, grid)) if cell.id == name), None
        )
        if cell is None:
            raise _unknown(name, grids, file)
        found.append({axis: (value,) for axis, value in cell.axes.items()})
    return found


def _standing_in(name: str, grid: Block) -> Block:
    """The values of each axis that an id contains, or that ids leave out."""
    return {
        axis: tuple(value for value in values if value in name or value == ABSENT)
        for axis, values in grid.items()
    }


def _cells(block: Block) -> Iterator[Cell]:
    for values in product(*block.values()):
        yield Cell.from_axes(dict(zip(block, values, strict=True)))


def _unknown(name: str, grids: Sequence[Block], file: str) -> InputError:
    """The error with the nearest id, of those that differ in the axes of which the id contains no value."""
    near = [
        {axis: values or grid[axis] for axis, values in _standing_in(name, grid).items()} for grid in grids
    ]
    hint = f"see `{command('plan', '--list')}`"
    if size(near) <= MOST_NEAR:
        hint = nearest(name, (cell.id for block in near for cell in _cells(block)))
    return InputError(f"there is no cell {name!r} in {file}", hint=hint)
