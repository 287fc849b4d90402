"""The cells that fit into a time: what failed last, what is new, then a cover, then the oldest verdicts."""

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from orchestrator.model import Turn
from orchestrator.pipeline.times import AT_ONCE

UNKNOWN: Final = frozenset("fe")
"""Last verdicts of cells that come first: fail, and error, which says nothing of the cell."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A cell with its time, what must be built for it, and its last verdict with its date, if any."""

    seconds: float
    builds: Sequence[tuple[Hashable, float]]
    verdict: tuple[str, str] | None = None


def turns(cells: Sequence[Timed], cover: AbstractSet[int]) -> list[Turn]:
    """The turn of each cell; `cover` are the numbers of cells that a cover would have."""
    return [_turn(cell.verdict, in_cover=number in cover) for number, cell in enumerate(cells)]


def _turn(verdict: tuple[str, str] | None, *, in_cover: bool) -> Turn:
    if verdict is None:
        return Turn.NEW
    if verdict[0] in UNKNOWN:
        return Turn.FAILED
    return Turn.COVER if in_cover else Turn.OLD


def fitting(cells: Sequence[Timed], cover: AbstractSet[int], limit: float) -> set[int]:
    """The numbers of the cells that fit into `limit` seconds of one machine, in the order of their turns.

    Of one turn the cells of a cover come first, then those with older verdicts, then in the plan's order. A
    cell that does not fit any more is left out, and those after it are tried.
    """
    known: set[Hashable] = set()
    chosen: set[int] = set()
    left = limit * AT_ONCE
    for number in _order(cells, cover):
        cell = cells[number]
        new = {image: seconds for image, seconds in cell.builds if image not in known}
        cost = cell.seconds + sum(new.values())
        if cost <= left:
            left -= cost
            known.update(new)
            chosen.add(number)
    return chosen


def _order(cells: Sequence[Timed], cover: AbstractSet[int]) -> Iterator[int]:
    order = {turn: place for place, turn in enumerate(Turn)}
    mine = turns(cells, cover)

    def key(number: int) -> tuple[int, bool, str, int]:
        verdict = cells[number].verdict
        return order[mine[number]], number not in cover, verdict[1] if verdict else "", number

    return iter(sorted(range(len(cells)), key=key))
