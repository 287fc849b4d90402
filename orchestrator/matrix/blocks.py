"""Cells by the block: products of axis values, so that what is alike is worked out once."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

Block = Mapping[str, tuple[str, ...]]
"""A cell for each combination of these values, each axis in the order of the matrix."""

Result = TypeVar("Result", bound=Hashable)
_Split = tuple[tuple[tuple[tuple[str, ...], ...], Result], ...]


class AxisFunction(Generic[Result]):
    """A function of a cell that depends on some of its axes alone; worked out once for each of their values.

    Of a cell that lacks one of the axes it is the function of the others.
    """

    def __init__(self, axes: Iterable[str], function: Callable[[Mapping[str, str]], Result]) -> None:
        self._axes = tuple(sorted(axes))
        self._function = function
        self._known: dict[tuple[str | None, ...], Result] = {}

    def __call__(self, axes: Mapping[str, str]) -> Result:
        """The result for a cell of these axis values."""
        values = tuple(map(axes.get, self._axes))
        try:
            return self._known[values]
        except KeyError:
            return self._known.setdefault(values, self._function(axes))

    def partition(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, Result]]:
        """The same cells in blocks of one result each."""
        for block in blocks:
            deciding = tuple(axis for axis in block if axis in self._axes)
            for values, result in self._split(block, deciding, {}):
                yield {**block, **dict(zip(deciding, values, strict=True))}, result

    def _split(self, block: Block, deciding: Sequence[str], fixed: Mapping[str, str]) -> _Split[Result]:
        """Products of the deciding axes' values with one result each; values that split alike stay in one."""
        if not deciding:
            return (((), self(fixed)),)
        axis, *rest = deciding
        alike: dict[_Split[Result], list[str]] = {}
        for value in block[axis]:
            alike.setdefault(self._split(block, rest, {**fixed, axis: value}), []).append(value)
        return tuple(
            ((tuple(values), *others), result) for split, values in alike.items() for others, result in split
        )


def partition_by(
    functions: Iterable[AxisFunction[Any]], blocks: Iterable[Block], grid: Block
) -> list[list[Block]]:
    """The cells of a grid's blocks in parts, each of the same result by every function, of few blocks."""
    parts: dict[tuple[Hashable, ...], list[Block]] = {(): list(blocks)}
    for function in functions:
        finer: dict[tuple[Hashable, ...], list[Block]] = {}
        for results, part in parts.items():
            for block, result in function.partition(part):
                finer.setdefault((*results, result), []).append(block)
        parts = {results: joined(part, grid) for results, part in finer.items()}
    return [part for part in parts.values() if part]


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
