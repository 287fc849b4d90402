"""A small picture of the matrix for each cause: environments down, questions across, its cells marked."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from orchestrator.model import Cell
from orchestrator.report.axes import ShownAxis, columns_first, is_environment, shown_axes

SIDE: Final = 3
STEP: Final = 4
"""A square and the gap beside it."""
GAP: Final = 3
"""The further gap between two scenarios."""
MOST: Final = (96, 24)
"""Columns and rows at most; of a larger matrix neighbours share a square."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The marks of one cause, as outlines for SVG: squares all of whose cells show it, and the others."""

    whole: str
    part: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The planned cells as squares, the same for all pictures of a report."""

    places: Mapping[str, tuple[int, int]]
    """The square of each cell, from the left and from the top, in units."""
    width: int
    height: int

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> "Matrix":
        """The picture of some cells."""
        axes = shown_axes(cells, len(cells))
        down = _lines([axis for axis in axes if is_environment(axis)], len(cells))
        across = _lines(columns_first(axes), len(cells))
        wide, high = max(across, default=0) + 1, max(down, default=0) + 1
        columns = [number * min(wide, MOST[0]) // wide for number in across]
        rows = [number * min(high, MOST[1]) // high for number in down]
        gaps = _gaps(cells, columns) if wide <= MOST[0] else {}
        x = [column * STEP + gaps.get(column, 0) for column in columns]
        y = [row * STEP for row in rows]
        return cls(
            places={cell.id: place for cell, place in zip(cells, zip(x, y, strict=True), strict=True)},
            width=max(x, default=0) + SIDE,
            height=max(y, default=0) + SIDE,
        )

    @cached_property
    def _counts(self) -> Counter[tuple[int, int]]:
        return Counter(self.places.values())

    @cached_property
    def ground(self) -> str:
        """The outline of all squares."""
        return _outline(self._counts)

    def marks(self, cells: Iterable[str]) -> Picture:
        """The squares of some cells."""
        counts = Counter(self.places[cell] for cell in cells if cell in self.places)
        whole = [place for place, count in counts.items() if count == self._counts[place]]
        part = [place for place, count in counts.items() if count < self._counts[place]]
        return Picture(whole=_outline(whole), part=_outline(part))


def _lines(axes: Sequence[ShownAxis], count: int) -> list[int]:
    """The number of each cell's line, where lines are sorted by the values of these axes."""
    keys = list(zip(*(axis.numbers for axis in axes), strict=True)) if axes else [()] * count
    order = {key: at for at, key in enumerate(sorted(set(keys)))}
    return [order[key] for key in keys]


def _gaps(cells: Sequence[Cell], columns: Sequence[int]) -> dict[int, int]:
    """The offset of each column, with gaps between scenarios."""
    first: dict[int, str] = {}
    for cell, column in zip(cells, columns, strict=True):
        first.setdefault(column, cell.scenario)
    moved, last, gaps = 0, None, {}
    for column in sorted(first):
        if last is not None and first[column] != last:
            moved += GAP
        last = first[column]
        gaps[column] = moved
    return gaps


def _outline(places: Iterable[tuple[int, int]]) -> str:
    return "".join(f"M{x} {y}h{SIDE}v{SIDE}h-{SIDE}z" for x, y in sorted(places))
