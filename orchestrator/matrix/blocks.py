"""Blocks of cells: products of axis values, so that equal cells are worked out once."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

Block = Mapping[str, tuple[str, ...]]
"""A cell for each combination of these values, each axis in the order of the matrix."""

Result = TypeVar("Result", bound=Hashable)
_Values = tuple[tuple[str, ...], ...]
_Split = tuple[tuple[_Values, int], ...]
"""Products of some axes' values, each with the number of its result."""


class AxisFunction(Generic[Result]):
    """A function of a cell that depends on some axes only; evaluated once for each combination of them.

    For a cell without one of the axes it depends on the others.
    """

    def __init__(self, axes: Iterable[str], function: Callable[[Mapping[str, str]], Result]) -> None:
        self._axes = tuple(sorted(axes))
        self._function = function
        self._known: dict[tuple[str | None, ...], int] = {}
        # Results are compared by number: most are values of many fields, which are slow to hash.
        self._results: list[Result] = []
        self._numbers: dict[Result, int] = {}
        self._splits: dict[tuple[tuple[str, ...], _Values], _Split] = {}

    def __call__(self, axes: Mapping[str, str]) -> Result:
        """The result for a cell of these axis values."""
        return self._results[self._number(axes)]

    def partition(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, Result]]:
        """The same cells in blocks of one result each."""
        for block in blocks:
            axes = tuple(axis for axis in block if axis in self._axes)
            values = tuple(block[axis] for axis in axes)
            # Most blocks differ in other axes only.
            split = self._splits.get((axes, values))
            if split is None:
                split = self._splits[axes, values] = self._split(axes, values, {})
            for part, number in split:
                mine = {**block, **dict(zip(axes, part, strict=True))} if len(split) > 1 else block
                yield mine, self._results[number]

    def _split(self, axes: tuple[str, ...], every: _Values, fixed: dict[str, str]) -> _Split:
        """Products of these axes' values with one result each; values that split alike stay in one."""
        if not axes:
            return (((), self._number(fixed)),)
        axis, more = axes[0], axes[1:]
        if not more:
            return self._split_last(axis, every[0], fixed)
        alike: dict[_Split, list[str]] = {}
        for value in every[0]:
            fixed[axis] = value
            alike.setdefault(self._split(more, every[1:], fixed), []).append(value)
        del fixed[axis]
        return tuple(
            ((tuple(values), *others), number) for split, values in alike.items() for others, number in split
        )

    def _split_last(self, axis: str, values: Iterable[str], fixed: dict[str, str]) -> _Split:
        """The values of the last axis by their result."""
        alike: dict[int, list[str]] = {}
        for value in values:
            fixed[axis] = value
            alike.setdefault(self._number(fixed), []).append(value)
        del fixed[axis]
        return tuple(((tuple(values),), number) for number, values in alike.items())

    def _number(self, axes: Mapping[str, str]) -> int:
        """The number of the result for a cell of these axis values; equal results have one number."""
        values = tuple(map(axes.get, self._axes))
        number = self._known.get(values)
        if number is None:
            result = self._function(axes)
            number = self._known[values] = self._numbers.setdefault(result, len(self._results))
            if number == len(self._results):
                self._results.append(result)
        return number


def partition_by(
    functions: Iterable[AxisFunction[Any]], blocks: Iterable[Block], grid: Block
) -> list[list[Block]]:
    """The cells of a grid's blocks in parts of few blocks; every function has one result in each part."""
    parts: dict[tuple[Hashable, ...], list[Block]] = {(): list(blocks)}
    for function in functions:
        finer: dict[tuple[Hashable, ...], list[Block]] = {}
        for results, part in parts.items():
            for block, result in function.partition(part):
                finer.setdefault((*results, result), []).append(block)
        parts = {results: joined(part, grid) for results, part in finer.items()}
    return [part for part in parts.values() if part]


def size(blocks: Iterable[Block]) -> int:
    """The number of cells."""
    return sum(math.prod(map(len, block.values())) for block in blocks)


def joined(blocks: Sequence[Block], grid: Block) -> list[Block]:
    """The same cells of a grid in fewer blocks: those that differ in one axis alone become one."""
    fewer, before = list(blocks), 0
    while len(fewer) > 1 and len(fewer) != before:
        before = len(fewer)
        varying = [axis for axis in grid if any(block[axis] != fewer[0][axis] for block in fewer)]
        for axis in varying:
            fewer = _joined_along(axis, fewer, varying, grid[axis])
    return fewer


def _joined_along(
    axis: str, blocks: Sequence[Block], varying: Sequence[str], order: Sequence[str]
) -> list[Block]:
    """The blocks after joining those that differ in one axis; all are equal in the axes but `varying`."""
    others = [other for other in varying if other != axis]
    alike: dict[_Values, list[Block]] = {}
    for block in blocks:
        alike.setdefault(tuple([block[other] for other in others]), []).append(block)
    found: list[Block] = []
    for first, *more in alike.values():
        if more:
            values = {value for block in (first, *more) for value in block[axis]}
            found.append({**first, axis: tuple(value for value in order if value in values)})
        else:
            found.append(first)
    return found
