"""From a selection to the cells of a plan: a row of indices for each, and the terms of each kind once."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Final

from orchestrator import matrix
from orchestrator.images import IMAGE_AXES
from orchestrator.model import (
    INSTRUMENT,
    Cell,
    CellTerms,
    Cover,
    Covered,
    PlannedCells,
    PlannedTerms,
    SelectedCells,
    Selection,
)
from orchestrator.model.selection import AxisValues
from orchestrator.pipeline import shards
from orchestrator.pipeline.shards import Piece

TermsOf = Callable[[Mapping[str, str], CellTerms], PlannedTerms]
"""From a cell's axis values to its planned terms, which every cell with its image and selected terms has."""
PieceOf = Callable[[Sequence[int]], Piece]
"""From the numbers of one image's rows to how long they take."""
ImageAxes = Callable[[str], Sequence[str]]
"""The axes that decide the image of a scenario's cells."""
_Kind = tuple[Mapping[str, str], CellTerms]
_Row = tuple[int, ...]
ENVIRONMENT: Final = ("python", "glibc", "arch", "launcher", INSTRUMENT)
"""The axes that decide what a scenario's image is built from."""


def _usual(_scenario: str) -> Sequence[str]:
    return IMAGE_AXES


@dataclass(frozen=True, kw_only=True)
class ChosenRows:
    """The cells of a run, of all its shards, as rows: the indices of grid and values, then of the kind."""

    grids: tuple[AxisValues, ...]
    kinds: tuple[_Kind, ...]
    rows: tuple[_Row, ...]
    """In the matrix's order."""
    images: tuple[Hashable, ...]
    """The values that decide the image of each kind."""
    left_out: int = 0
    """Selected cells that are not among the rows, since another plan has them, or lacks them."""
    covered: Covered | None = None


def chosen_rows(
    selection: Selection, image_axes: ImageAxes = _usual, keep: Callable[[str], bool] | None = None
) -> ChosenRows:
    """The cells that the selection's cover chooses, of those whose ids `keep` keeps."""
    present = {item.axes["scenario"] for item in selection.cells}
    grids = tuple(grid for grid in selection.grids if grid["scenario"] in present)
    kinds: list[_Kind] = []
    rows: list[_Row] = []
    for number, grid in enumerate(grids):
        mine = [item for item in selection.cells if item.axes["scenario"] == grid["scenario"]]
        # Values are numbered in the grid's order, so rows sort as the cells do.
        rows += sorted(_rows(number, grid, mine, kinds, image_axes(grid["scenario"][0])))
    images = tuple(
        (axes["scenario"], *(axes.get(axis) for axis in image_axes(axes["scenario"]))) for axes, _ in kinds
    )
    kept = rows if keep is None else [row for row in rows if keep(cell_id(grids, row))]
    every = ChosenRows(
        grids=grids,
        kinds=tuple(kinds),
        rows=tuple(kept),
        images=images,
        left_out=len(rows) - len(kept),
    )
    return _covering(every, selection.cover)


def cell_id(grids: Sequence[AxisValues], row: _Row) -> str:
    """The id of a row's cell."""
    values = zip(grids[row[0]].items(), row[1:-1], strict=True)
    return Cell.from_axes({axis: known[at] for (axis, known), at in values}).id


def _covering(every: ChosenRows, cover: Cover) -> ChosenRows:
    """The cells of a cover, out of all selectable ones."""
    if cover.strength is None:
        return every
    known = candidates(every)
    chosen = matrix.covering(known, cover)
    covered = Covered(
        cover=cover,
        combinations=matrix.combination_count([known[number] for number in chosen], cover.strength),
        of=matrix.combination_count(known, cover.strength),
        cells=len(chosen),
        selectable=len(known),
    )
    return replace(every, rows=tuple(every.rows[number] for number in chosen), covered=covered)


def candidates(every: ChosenRows) -> list[matrix.Candidate]:
    """The rows as a cover is chosen from them."""
    numbers: dict[tuple[str, str], int] = {}

    def numbered(axis: str, values: Sequence[str]) -> list[int]:
        return [numbers.setdefault((axis, value), len(numbers)) for value in values]

    named = [[numbered(axis, values) for axis, values in grid.items()] for grid in every.grids]
    environments = [tuple(axes.get(axis) for axis in ENVIRONMENT) for axes, _ in every.kinds]
    return [
        matrix.Candidate(
            values=tuple(values[at] for values, at in zip(named[row[0]], row[1:-1], strict=True)),
            image=every.images[row[-1]],
            environment=environments[row[-1]],
        )
        for row in every.rows
    ]


def planned_cells(chosen: ChosenRows, terms_of: TermsOf) -> PlannedCells:
    """The chosen cells in the matrix's order.

    `terms_of` is called once for each kind of cell that is planned, in the order of their first cells.
    """
    terms: dict[PlannedTerms, int] = {}
    numbers: dict[int, int] = {}
    for kind in dict.fromkeys(row[-1] for row in chosen.rows):
        axes, selected = chosen.kinds[kind]
        numbers[kind] = terms.setdefault(terms_of(axes, selected), len(terms))
    return PlannedCells(chosen.grids, tuple(terms), ((*row[:-1], numbers[row[-1]]) for row in chosen.rows))


def part(chosen: ChosenRows, numbers: Iterable[int]) -> ChosenRows:
    """Some of the chosen cells, by the numbers of their rows."""
    return replace(chosen, rows=tuple(chosen.rows[number] for number in numbers))


def shards_of(chosen: ChosenRows, count: int, piece_of: PieceOf) -> list[Sequence[int]]:
    """The numbers of the rows of each of `count` shards: each has other images, and takes about as long.

    Cells are dealt out one by one where there are fewer images than shards.
    """
    found = list(groups(chosen).values())
    if len(found) < count:
        return [range(len(chosen.rows))[index::count] for index in range(count)]
    cuts = shards.cut([piece_of(numbers) for numbers in found], count)
    return [
        sorted(number for numbers in found[start:end] for number in numbers) for start, end in pairwise(cuts)
    ]


def groups(chosen: ChosenRows) -> dict[Hashable, list[int]]:
    """The numbers of the rows of each image, in the order that shards cut into pieces."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    order: dict[Hashable, tuple[str, ...]] = {}
    for number, row in enumerate(chosen.rows):
        axes, image = chosen.kinds[row[-1]][0], chosen.images[row[-1]]
        found[image].append(number)
        order.setdefault(image, tuple(axes[axis] for axis in ("arch", "glibc", "python", "launcher")))
    return {image: found[image] for image in sorted(found, key=order.__getitem__)}


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
