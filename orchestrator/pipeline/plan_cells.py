"""From a selection to the cells of a plan: a row of indices for each, and the terms of each kind once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from orchestrator.images import IMAGE_AXES
from orchestrator.model import CellTerms, PlannedCells, PlannedTerms, SelectedCells, Selection

TermsOf = Callable[[Mapping[str, str], CellTerms], PlannedTerms]
"""From a cell's axis values to its planned terms, which every cell with its image and selected terms has."""
ImageAxes = Callable[[str], Sequence[str]]
"""The axes that decide the image of a scenario's cells."""
_Kind = tuple[Mapping[str, str], CellTerms]
_Row = tuple[int, ...]
WHOLE: Final = (1, 1)


def _usual(_scenario: str) -> Sequence[str]:
    return IMAGE_AXES


def planned_cells(
    selection: Selection, shard: tuple[int, int] | None, terms_of: TermsOf, image_axes: ImageAxes = _usual
) -> PlannedCells:
    """The selected cells in the matrix's order; of a shard (I, N) the I-th cell and each N-th after it.

    `terms_of` is called once for each kind of cell that is planned, in the order of their first cells.
    """
    index, count = shard or WHOLE
    chosen = {item.axes["scenario"] for item in selection.cells}
    grids = [grid for grid in selection.grids if grid["scenario"] in chosen]
    kinds: list[_Kind] = []
    rows: list[_Row] = []
    before = 0
    for number, grid in enumerate(grids):
        mine = [item for item in selection.cells if item.axes["scenario"] == grid["scenario"]]
        # Values are numbered in the grid's order, so rows sort as the cells do.
        every = sorted(_rows(number, grid, mine, kinds, image_axes(grid["scenario"][0])))
        rows += every[(index - 1 - before) % count :: count]
        before += len(every)
    terms: dict[PlannedTerms, int] = {}
    numbers: dict[int, int] = {}
    for kind in dict.fromkeys(row[-1] for row in rows):
        axes, selected = kinds[kind]
        numbers[kind] = terms.setdefault(terms_of(axes, selected), len(terms))
    return PlannedCells(grids, tuple(terms), ((*row[:-1], numbers[row[-1]]) for row in rows))


def _rows(
    number: int,
    grid: Mapping[str, tuple[str, ...]],
    selected: Sequence[SelectedCells],
    kinds: list[_Kind],
    image_axes: Sequence[str],
) -> Iterator[_Row]:
    """Rows of a grid's cells, with the index of their kind; adds the kinds."""
    places = {axis: {value: place for place, value in enumerate(values)} for axis, values in grid.items()}
    for item in selected:
        named = [axis for axis in image_axes if axis in item.axes]
        for image in product(*(item.axes[axis] for axis in named)):
            one: dict[str, tuple[str, ...]] = {
                axis: (value,) for axis, value in zip(named, image, strict=True)
            }
            axes = {**item.axes, **one}
            kinds.append(({axis: values[0] for axis, values in axes.items()}, item.terms))
            indices = ([places[axis][value] for value in axes[axis]] for axis in grid)
            yield from product((number,), *indices, (len(kinds) - 1,))
