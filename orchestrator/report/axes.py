"""The axes of a run in reports: only those that vary, and one for axes that change together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.model import ABSENT, Cell, orders_as_version, version_key

SCENARIO: Final = "scenario"
ENVIRONMENT: Final = frozenset({"python", "glibc", "arch"})
"""Axes that make rows."""
BEHIND: Final = ("scenario", "launcher", "probe")
"""Axes that are columns, before a project's own."""


@dataclass(frozen=True, kw_only=True)
class ShownAxis:
    """An axis, or several whose values change together in all planned cells.

    `numbers` has each cell's value by its position in `values`; "" stands for an axis that the cell lacks.
    `named` is for each value the one of the first part, which tells it as well.
    """

    parts: tuple[str, ...]
    values: tuple[str, ...]
    numbers: tuple[int, ...]
    named: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in an address."""
        return "+".join(self.parts)

    @property
    def label(self) -> str:
        """Its name for people."""
        return " / ".join(self.parts)


def shown_axes(cells: Sequence[Cell], planned: int) -> tuple[ShownAxis, ...]:
    """The axes of which the first `planned` cells have several values; at least one axis.

    What follows from the scenario, as its own axes do where each has one value, is not said beside it. The
    cells that follow were excluded: they have values of these axes, and may have others.
    """
    rows = [cell.axes for cell in cells]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name, "") for row in rows] for name in names}
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        division = _division(columns[name][:planned])
        if len(set(division)) > 1:
            groups.setdefault(division, []).append(name)
    found = list(groups.values()) or ([[SCENARIO]] if names else [])
    return tuple(_axis([SCENARIO] if SCENARIO in group else group, columns) for group in found)


def sorted_values(axis: str, values: set[str]) -> list[str]:
    """The ordered values of an axis. A user's axis orders as versions if all its values are versions."""
    if "" in values:
        return [*sorted_values(axis, values - {""}), ""]
    if not orders_as_version(axis, values):
        return sorted(values)
    return [
        *sorted(values & {ABSENT}),
        *sorted(values - {ABSENT}, key=lambda value: version_key(axis, value)),
    ]


def is_environment(axis: ShownAxis) -> bool:
    """Whether an axis describes the environment and so makes rows."""
    return bool(ENVIRONMENT.intersection(axis.parts))


def columns_first(axes: Iterable[ShownAxis]) -> list[ShownAxis]:
    """The axes that make columns: the scenario, the launcher, the probe, and then a project's own."""

    def place(axis: ShownAxis) -> int:
        return min((BEHIND.index(part) for part in axis.parts if part in BEHIND), default=len(BEHIND))

    return sorted((axis for axis in axes if not is_environment(axis)), key=place)


def _division(column: Iterable[str]) -> tuple[int, ...]:
    """The division of the cells by an axis, without the names of its values."""
    seen: dict[str, int] = {}
    return tuple(seen.setdefault(value, len(seen)) for value in column)


def _axis(parts: Sequence[str], columns: dict[str, list[str]]) -> ShownAxis:
    # Scenarios keep the order of the matrix.
    orders = [
        {
            value: at
            for at, value in enumerate(
                dict.fromkeys(columns[name]) if name == SCENARIO else sorted_values(name, set(columns[name]))
            )
        }
        for name in parts
    ]
    rows = list(zip(*(columns[name] for name in parts), strict=True))
    distinct = sorted(
        set(rows), key=lambda row: [order[value] for order, value in zip(orders, row, strict=True)]
    )
    numbers = {row: at for at, row in enumerate(distinct)}
    return ShownAxis(
        parts=tuple(parts),
        values=tuple(_text(parts, row) for row in distinct),
        numbers=tuple(numbers[row] for row in rows),
        named=tuple(row[0] or ABSENT for row in distinct),
    )


def _text(parts: Sequence[str], values: Sequence[str]) -> str:
    if len(parts) == 1:
        return values[0]
    return " / ".join(_named(part, value) for part, value in zip(parts, values, strict=True))


def _named(part: str, value: str) -> str:
    """A value beside others, with the name of its axis if the value alone is unclear."""
    if part == "python":
        return f"py{value}"
    return f"glibc {value}" if part == "glibc" else value or f"no {part}"
