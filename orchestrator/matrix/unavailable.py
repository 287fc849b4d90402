"""Axis values that a selection names and that have no cell here, each with its reasons."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.model import ABSENT, ExcludedCells, SelectedCells, UnavailableValue

_Named = tuple[str, str]
"""An axis and one of its values."""


def unavailable_values(
    cells: Iterable[SelectedCells],
    excluded: Sequence[ExcludedCells],
    vocabulary: Mapping[str, Sequence[str]],
) -> tuple[UnavailableValue, ...]:
    """The values that only excluded cells have, in the order of the matrix; none where no cell runs."""
    runs = {named for item in cells for named in _named(item.axes)}
    if not runs:
        return ()
    missing = {named for item in excluded for named in _named(item.axes)} - runs
    order = ((axis, value) for axis, values in vocabulary.items() for value in values if value != ABSENT)
    return tuple(_unavailable(named, excluded, missing) for named in order if named in missing)


def _named(axes: Mapping[str, Sequence[str]]) -> Iterable[_Named]:
    return ((axis, value) for axis, values in axes.items() for value in values)


def _unavailable(named: _Named, excluded: Sequence[ExcludedCells], missing: set[_Named]) -> UnavailableValue:
    axis, value = named
    mine = [item for item in excluded if value in item.axes.get(axis, ())]
    # A reason that also excludes values with cells is not about this value; nor is one that another
    # unavailable value of the same cells has.
    general = {
        item.reason for item in excluded if any((axis, v) not in missing for v in item.axes.get(axis, ()))
    }
    own = [item for item in mine if item.reason not in general]
    alone = [item for item in own if not _lacks_another(item, axis, missing)]
    reasons: Counter[str] = Counter()
    for item in alone or own or mine:
        reasons[item.reason] += item.count
    count = sum(item.count // len(item.axes[axis]) for item in mine)
    return UnavailableValue(
        axis=axis, value=value, count=count, reasons=tuple(reason for reason, _ in reasons.most_common())
    )


def _lacks_another(item: ExcludedCells, axis: str, missing: set[_Named]) -> bool:
    others = ((other, values) for other, values in item.axes.items() if other != axis)
    return any(all((other, value) in missing for value in values) for other, values in others)
