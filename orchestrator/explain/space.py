"""The cells that ran as bit sets: one integer a condition, one bit a cell.

Python's integers make an intersection over 10,000 cells one operation of about 100 ns, so that an
exact search stays possible without a solver.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations, pairwise
from typing import Final

from packaging.version import Version

from orchestrator.model import ABSENT, VERSION_AXES, Boundary, Cell, orders_as_version, version_key

SCENARIO: Final = "scenario"
_ONE: Final = ord("1")
ALL_SUBSETS: Final = 6
"""The most values of an axis for which every set of them is a condition."""
SOME_SUBSETS: Final = 12
"""The most values for which sets of three are conditions; for more values, sets of two are."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition of a rule on one axis. `mask` has a bit for each value that ran, `bits` one for each cell.

    `cost` is the number of values in the text. `ranged` is set where the text compares an order.
    """

    axis: int
    mask: int
    bits: int
    cost: int
    text: str
    ranged: bool


@dataclass(frozen=True)
class Axis:
    """One axis with the values that ran, in order; only `versions` of them have an order.

    `bits` has for each value the set of the cells that have it.
    """

    index: int
    name: str
    values: tuple[str, ...]
    bits: tuple[int, ...]
    ordered: bool

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The ordered values, without `none`, which stands for an axis that a cell lacks."""
        return tuple(value for value in self.values if value != ABSENT) if self.ordered else ()

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The cheapest way to write each set of values that is worth a condition, cheapest first."""
        best: dict[int, Condition] = {}
        for condition in (*self._ranges(), *self._names()):
            if condition.mask not in best or condition.cost < best[condition.mask].cost:
                best[condition.mask] = condition
        return tuple(sorted(best.values(), key=lambda item: (item.cost, item.text)))

    def exactly(self, mask: int) -> Condition:
        """The condition that exactly these values meet, however many they are."""
        for condition in self.conditions:
            if condition.mask == mask:
                return condition
        return self._set(tuple(value for at, value in enumerate(self.values) if mask >> at & 1))

    def tells(self, condition: Condition, value: str) -> bool | None:
        """Whether a value meets a condition; None if no cell that ran shows it.

        A version that did not run lies between two that did; where those differ, so may it.
        """
        if value in self.values:
            return bool(condition.mask >> self.values.index(value) & 1)
        if not condition.ranged or value == ABSENT:
            return None
        below = [item for item in self.versions if self._key(item) < self._key(value)]
        above = [item for item in self.versions if self._key(item) > self._key(value)]
        if not below or not above:
            return None
        sides = {self.tells(condition, below[-1]), self.tells(condition, above[0])}
        return sides.pop() if len(sides) == 1 else None

    def boundaries(self, condition: Condition) -> Iterator[Boundary]:
        """The boundaries of a ranged condition: pairs of neighbouring versions with different answers."""
        if condition.ranged:
            for below, above in pairwise(self.versions):
                if self.tells(condition, below) != self.tells(condition, above):
                    yield Boundary(axis=self.name, below=below, above=above)

    def _key(self, value: str) -> Version:
        return version_key(self.name, value)

    def _ranges(self) -> Iterator[Condition]:
        """Half-open intervals of versions; both bounds are versions that ran."""
        count = len(self.versions)
        for first, end in combinations(range(count + 1), 2):
            if end - first == count:
                continue
            low, high = self.versions[first], self.versions[end] if end < count else None
            if high is None:
                text, cost = f'{self.name} >= "{low}"', 1
            elif first == 0:
                text, cost = f'{self.name} < "{high}"', 1
            else:
                text, cost = f'"{low}" <= {self.name} < "{high}"', 2
            if cost == 1 or end - first > 1:
                yield self._condition(self.versions[first:end], text, cost, ranged=True)

    def _names(self) -> Iterator[Condition]:
        """Values one by one, as sets, and as what is left out."""
        count = len(self.values)
        largest = count // 2 if count <= ALL_SUBSETS else 3 if count <= SOME_SUBSETS else 2
        for size in range(1, largest + 1):
            for chosen in combinations(self.values, size):
                yield self._set(chosen)
                if size < count - size:
                    yield self._complement(chosen)

    def _set(self, chosen: Sequence[str]) -> Condition:
        text = f'{self.name} == "{chosen[0]}"' if len(chosen) == 1 else f"{self.name} in {_tuple(chosen)}"
        return self._condition(chosen, text, len(chosen))

    def _complement(self, chosen: Sequence[str]) -> Condition:
        rest = [value for value in self.values if value not in chosen]
        text = f'{self.name} != "{chosen[0]}"' if len(chosen) == 1 else f"{self.name} not in {_tuple(chosen)}"
        return self._condition(rest, text, len(chosen))

    def _condition(self, chosen: Sequence[str], text: str, cost: int, *, ranged: bool = False) -> Condition:
        mask = bits = 0
        for at, value in enumerate(self.values):
            if value in chosen:
                mask |= 1 << at
                bits |= self.bits[at]
        return Condition(axis=self.index, mask=mask, bits=bits, cost=cost, text=text, ranged=ranged)


@dataclass(frozen=True)
class Space:
    """The cells that ran, by position, and the axes of which they have more than one value."""

    cells: tuple[Cell, ...]
    axes: tuple[Axis, ...]
    silent: Mapping[str, str]
    """Axes of which one value ran, with that value."""

    @classmethod
    def of(cls, cells: Sequence[Cell], ordered: Container[str] = VERSION_AXES) -> "Space":
        """The space of some cells; an axis that a cell lacks reads `none` there.

        Only axes in `ordered` get ranges: `-k` refuses one where a value that did not run is no version.
        """
        rows = [cell.axes for cell in cells]
        names = list(dict.fromkeys(name for row in rows for name in row))
        axes: list[Axis] = []
        silent: dict[str, str] = {}
        for name in names:
            column = [row.get(name, ABSENT) for row in rows]
            bits = _bits_of_values(column)
            if len(bits) == 1:
                silent[name] = column[0]
                continue
            values = _in_order(name, bits)
            axes.append(
                Axis(
                    len(axes),
                    name,
                    values,
                    tuple(bits[item] for item in values),
                    name in ordered and orders_as_version(name, values),
                )
            )
        return cls(tuple(cells), tuple(axes), silent)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The cells' ids, by position."""
        return tuple([cell.id for cell in self.cells])

    def chosen(self, bits: int) -> Iterator[Cell]:
        """The cells of a set."""
        return (cell for cell, mark in zip(self.cells, _marks(bits), strict=False) if mark == "1")

    def chosen_ids(self, bits: int) -> Iterator[str]:
        """The ids of the cells of a set."""
        return (name for name, mark in zip(self.ids, _marks(bits), strict=False) if mark == "1")

    @cached_property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """Groups of axes whose values change together: each divides the cells in the same way."""
        groups: dict[frozenset[int], list[str]] = {}
        for axis in self.axes:
            groups.setdefault(frozenset(axis.bits), []).append(axis.name)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def as_bits(marks: Iterable[bool]) -> int:
    """A set as an integer: bit N is the N-th mark. By way of text, which is linear in their number."""
    return int("".join(["1" if mark else "0" for mark in marks])[::-1] or "0", 2)


def _marks(bits: int) -> str:
    """A set as text: a 1 at each position that it has."""
    return f"{bits:b}"[::-1]


def _bits_of_values(column: Sequence[str]) -> dict[str, int]:
    """For each value, in order of its first cell, the set of the cells that have it: one pass in all."""
    places: dict[str, list[int]] = {}
    for place, value in zip(range(len(column) - 1, -1, -1), column, strict=True):
        places.setdefault(value, []).append(place)
    found: dict[str, int] = {}
    for value, its_places in places.items():
        marks = bytearray(b"0") * len(column)
        for place in its_places:
            marks[place] = _ONE
        found[value] = int(marks, 2)
    return found


def _in_order(name: str, values: Mapping[str, int]) -> tuple[str, ...]:
    """Versions as versions, `none` first, names as text."""
    if not orders_as_version(name, values):
        return tuple(sorted(values))
    versions = sorted((value for value in values if value != ABSENT), key=partial(version_key, name))
    return (*(value for value in values if value == ABSENT), *versions)


def _tuple(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return f"({', '.join(quoted)})"
