"""A small grid of a run in markdown: environments down, questions across, causes by their letters."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orchestrator.report.axes import BEHIND, ShownAxis, columns_first, is_environment, shown_axes
from orchestrator.report.markdown import escape_markdown, table
from orchestrator.rundir import CellRecord, RunData, Status

MOST: Final = (8, 10)
"""Rows and columns at most; axes that no rule of a cause names fold first."""
LETTERS: Final = 3
"""Causes that one square names."""
LETTER_A, ALPHABET = ord("A"), 26
MARKS: Final = {
    Status.FAIL: "❌",
    Status.ERROR: "⚠️",
    Status.NOT_RUN: "⭕",
    Status.SKIP: "⏭️",
    Status.PASS: "✅",
}


def letters(data: RunData) -> Mapping[str, str]:
    """A letter for each open cause, by its id; a number from the 27th on."""
    return {
        cause.id: chr(LETTER_A + number) if number < ALPHABET else str(number + 1)
        for number, cause in enumerate(data.open_causes)
    }


def grid(data: RunData) -> Iterator[str]:
    """The lines of the grid, with an empty one behind it; none where one axis has too many values for it."""
    axes = shown_axes([record.cell for record in data.records], len(data.records))
    named = Counter(
        axis
        for cause in data.open_causes
        for axis in axes
        if cause.where and any(part in rule for rule in cause.where.rules for part in axis.parts)
    )
    down = _folded([axis for axis in axes if is_environment(axis)], named, MOST[0])
    across = _folded(columns_first(axes), named, MOST[1])
    if down is None or across is None:
        return
    squares: dict[tuple[tuple[int, ...], tuple[int, ...]], list[CellRecord]] = {}
    for number, record in enumerate(data.records):
        squares.setdefault((_key(down, number), _key(across, number)), []).append(record)
    rows, columns = ({key[side] for key in squares} for side in (0, 1))
    lines = sorted(columns)
    yield from table(
        ("", *(_head(across, key) for key in lines)),
        (
            (_head(down, row), *(_square(data, squares.get((row, column), ())) for column in lines))
            for row in sorted(rows)
        ),
    )


def _folded(axes: Sequence[ShownAxis], named: Counter[ShownAxis], most: int) -> list[ShownAxis] | None:
    """The axes that leave at most so many lines: those that causes name most; None where there are none."""
    kept = list(axes)
    while kept and len(set(zip(*(axis.numbers for axis in kept), strict=True))) > most:
        least = min(named[axis] for axis in kept)
        kept.remove(next(axis for axis in reversed(kept) if named[axis] == least))
    return kept if kept or not axes else None


def _key(axes: Sequence[ShownAxis], number: int) -> tuple[int, ...]:
    return tuple(axis.numbers[number] for axis in axes)


def _head(axes: Sequence[ShownAxis], key: tuple[int, ...]) -> str:
    """The values of a line; those of an axis of the project's own with its name."""
    said = [
        axis.values[at]
        if is_environment(axis) or set(axis.parts) & set(BEHIND)
        else f"{axis.name} {axis.values[at]}"
        for axis, at in zip(axes, key, strict=True)
    ]
    return escape_markdown(" · ".join(said))


def _square(data: RunData, records: Sequence[CellRecord]) -> str:
    """The causes of some cells by their letters, with their share where not all show one."""
    shown = letters(data)
    found = Counter(data.cause_of[record.id].id for record in records if record.id in data.cause_of)
    if not found:
        statuses = {record.status for record in records}
        return MARKS[statuses.pop()] if len(statuses) == 1 else MARKS[Status.PASS] if statuses else ""
    said = [
        f"**{shown[cause]}**" if count == len(records) else f"**{shown[cause]}** {count}/{len(records)}"
        for cause, count in found.most_common(LETTERS)
    ]
    return ", ".join([*said, "…"] if len(found) > LETTERS else said)
