"""From a selection to the cells of a plan: a row of indices for each, and the terms of each kind once."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
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

TermsOf = Callable[[Mapping[str, str], CellTerms], PlannedTerms]
"""From a cell's axis values to its planned terms, which every cell with its image and selected terms has."""
ImageAxes = Callable[[str], Sequence[str]]
"""The axes that decide the image of a scenario's cells."""
_Kind = tuple[Mapping[str, str], CellTerms]
_Row = tuple[int, ...]
WHOLE: Final = (1, 1)
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
    kept = rows if keep is None else [row for row in rows if keep(_id(grids, row))]
    every = ChosenRows(
        grids=grids,
        kinds=tuple(kinds),
        rows=tuple(kept),
        images=images,
        left_out=len(rows) - len(kept),
    )
    return _covering(every, selection.cover)


def _id(grids: Sequence[AxisValues], row: _Row) -> str:
    values = zip(grids[row[0]].items(), row[1:-1], strict=True)
    return Cell.from_axes({axis: known[at] for (axis, known), at in values}).id


def _covering(every: ChosenRows, cover: Cover) -> ChosenRows:
    """The cells of a cover, out of all selectable ones."""
    if cover.strength is None:
        return every
    candidates = _candidates(every)
    chosen = matrix.covering(candidates, cover)
    covered = Covered(
        cover=cover,
        combinations=matrix.combination_count([candidates[number] for number in chosen], cover.strength),
        of=matrix.combination_count(candidates, cover.strength),
        cells=len(chosen),
        selectable=len(candidates),
    )
    return replace(every, rows=tuple(every.rows[number] for number in chosen), covered=covered)


def _candidates(every: ChosenRows) -> list[matrix.Candidate]:
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


def planned_cells(chosen: ChosenRows, shard: tuple[int, int] | None, terms_of: TermsOf) -> PlannedCells:
    """The chosen cells in the matrix's order, or those of one shard.

    `terms_of` is called once for each kind of cell that is planned, in the order of their first cells.
    """
    rows = chosen.rows if shard is None else _shard(chosen, *shard)
    terms: dict[PlannedTerms, int] = {}
    numbers: dict[int, int] = {}
    for kind in dict.fromkeys(row[-1] for row in rows):
        axes, selected = chosen.kinds[kind]
        numbers[kind] = terms.setdefault(terms_of(axes, selected), len(terms))
    return PlannedCells(chosen.grids, tuple(terms), ((*row[:-1], numbers[row[-1]]) for row in rows))


def _shard(chosen: ChosenRows, index: int, count: int) -> Sequence[_Row]:
    """The cells of one of `count` shards: each has other images, and about as many cells.

    Images lie in the order of their architecture, C library, Python and launcher, which shards cut into
    pieces: what images are built from is then shared by those of one shard. Cells are dealt out one by one
    where there are fewer images than shards.
    """
    rows_of: dict[Hashable, list[_Row]] = defaultdict(list)
    order: dict[Hashable, tuple[str, ...]] = {}
    for row in chosen.rows:
        axes, image = chosen.kinds[row[-1]][0], chosen.images[row[-1]]
        rows_of[image].append(row)
        order.setdefault(image, tuple(axes[axis] for axis in ("arch", "glibc", "python", "launcher")))
    if len(rows_of) < count:
        return chosen.rows[index - 1 :: count]
    mine: list[_Row] = []
    before = 0
    for image in sorted(rows_of, key=order.__getitem__):
        group = rows_of[image]
        middle = 2 * before + len(group)
        if middle * count // (2 * len(chosen.rows)) == index - 1:
            mine += group
        before += len(group)
    return sorted(mine)


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
