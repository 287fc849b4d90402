"""The cases and their results, as a table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.adapters.visible import visible

SHOWN: Final = 110
"""Characters of what was seen that the table shows of a case that is right."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: what it must show, what it showed, and whether that is right."""

    part: str
    case: str
    expected: str
    seen: str
    right: bool


def compared(part: str, case: str, expected: object, seen: object) -> Row:
    """A case that must show one thing exactly."""
    return Row(part=part, case=case, expected=str(expected), seen=str(seen), right=expected == seen)


def matched(part: str, case: str, pattern: str, seen: str) -> Row:
    """A case that must show something that a pattern matches."""
    right = re.search(pattern, seen, re.DOTALL) is not None
    return Row(part=part, case=case, expected=pattern, seen=seen, right=right)


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the rows in their order, the wrong ones marked and shown whole."""
    table = Table("part", "case", "expected", "seen", "", box=None, pad_edge=False)
    for row in rows:
        seen = visible(row.seen.replace("\n", " "))[: SHOWN if row.right else None]
        cells = (row.part, row.case, row.expected, seen, "right" if row.right else "WRONG")
        table.add_row(*map(escape, cells))
    console.print(table)


def show_totals(rows: Sequence[Row], console: Console) -> None:
    """Print a line for each part."""
    for part in dict.fromkeys(row.part for row in rows):
        mine = [row for row in rows if row.part == part]
        console.print(f"{part}: {sum(row.right for row in mine)} of {len(mine)} right", highlight=False)
