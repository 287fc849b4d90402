"""Cells by the block: products of axis values, of which a question is asked once for all cells alike."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Generic, TypeVar

Block = Mapping[str, tuple[str, ...]]
"""A cell for each combination of these values, each axis in the order of the matrix."""

Answer = TypeVar("Answer", bound=Hashable)
_Cut = tuple[tuple[tuple[tuple[str, ...], ...], Answer], ...]


class Question(Generic[Answer]):
    """What is asked of cells and depends on some of their axes alone: no combination of those is asked twice.

    A cell that lacks one of the axes is asked with the others.
    """

    def __init__(self, axes: Iterable[str], ask: Callable[[Mapping[str, str]], Answer]) -> None:
        self._axes = tuple(sorted(axes))
        self._ask = ask
        self._known: dict[tuple[str | None, ...], Answer] = {}

    def of(self, axes: Mapping[str, str]) -> Answer:
        """The answer for a cell of these axis values."""
        values = tuple(map(axes.get, self._axes))
        try:
            return self._known[values]
        except KeyError:
            return self._known.setdefault(values, self._ask(axes))

    def apart(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, Answer]]:
        """The same cells in blocks of one answer each."""
        for block in blocks:
            asked = tuple(axis for axis in block if axis in self._axes)
            for values, answer in self._cut(block, asked, {}):
                yield {**block, **dict(zip(asked, values, strict=True))}, answer

    def _cut(self, block: Block, asked: Sequence[str], fixed: Mapping[str, str]) -> _Cut[Answer]:
        """Values of the asked axes that go together; those of one axis that are cut alike stay together."""
        if not asked:
            return (((), self.of(fixed)),)
        axis, *rest = asked
        alike: dict[_Cut[Answer], list[str]] = {}
        for value in block[axis]:
            alike.setdefault(self._cut(block, rest, {**fixed, axis: value}), []).append(value)
        return tuple(
            ((tuple(values), *others), answer) for cut, values in alike.items() for others, answer in cut
        )


def size(blocks: Iterable[Block]) -> int:
    """How many cells they are."""
    return sum(math.prod(map(len, block.values())) for block in blocks)


def joined(blocks: Sequence[Block], grid: Block) -> list[Block]:
    """The same cells of a grid in fewer blocks: those that differ in one axis alone become one."""
    while True:
        fewer = blocks
        for axis in grid:
            fewer = _joined_along(axis, fewer, grid)
        if len(fewer) == len(blocks):
            return list(fewer)
        blocks = fewer


def _joined_along(axis: str, blocks: Sequence[Block], grid: Block) -> list[Block]:
    alike: dict[tuple[tuple[str, ...], ...], list[Block]] = {}
    for block in blocks:
        alike.setdefault(tuple(block[other] for other in grid if other != axis), []).append(block)
    found: list[Block] = []
    for first, *others in alike.values():
        values = {value for block in (first, *others) for value in block[axis]}
        found.append({**first, axis: tuple(value for value in grid[axis] if value in values)})
    return found


def in_order(blocks: Iterable[Block], grid: Block) -> list[dict[str, str]]:
    """The axis values of every cell of some blocks of a grid, in the grid's order."""
    places = [{value: place for place, value in enumerate(values)} for values in grid.values()]
    cells = (values for block in blocks for values in product(*block.values()))
    ordered = sorted(
        cells, key=lambda values: [place[value] for place, value in zip(places, values, strict=True)]
    )
    return [dict(zip(grid, values, strict=True)) for values in ordered]
