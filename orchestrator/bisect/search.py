"""Which value of an ordered axis to test next: the ends, then halves, then a check for a second change."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

CHECKS = 1
"""Values that are tested beside those that the search by halves needs, to see whether it changes once."""
SPARE = 3
"""Environments beyond log2 of the number of values: both ends, and one check."""


@dataclass(kw_only=True)
class Search:
    """A search over positions 0 to `count` - 1. `known`: whether a position shows the subject.

    At most log2(`count`) + SPARE positions are tested, those included that turn out not to tell anything.
    """

    count: int
    known: dict[int, bool] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    tested: set[int] = field(default_factory=set)
    """Positions whose environment was made, or was to be made; a skipped one need not be among them."""
    _checks: int = 0

    @property
    def left(self) -> int:
        """How many more positions may be tested."""
        return math.floor(math.log2(max(self.count, 1))) + SPARE - len(self.tested)

    def ends(self) -> tuple[int, ...]:
        """The first and the last position that is not skipped, without those that are known."""
        there = [at for at in range(self.count) if at not in self.skipped]
        return tuple(at for at in dict.fromkeys((*there[:1], *there[-1:])) if at not in self.known)

    def next(self) -> int | None:
        """The position to test after both ends; None if nothing is left to test."""
        if self.left <= 0 or self.ends():
            return None
        for before, after in self.changes():
            if (found := self._middle(before, after)) is not None:
                return found
        if self.changes() and self._checks >= CHECKS:
            return None
        self._checks += bool(self.changes())
        gaps = sorted(pairwise(sorted(self.known)), key=lambda gap: (gap[0] - gap[1], gap[0]))
        found_in = (self._middle(before, after) for before, after in gaps)
        return next((found for found in found_in if found is not None), None)

    def changes(self) -> tuple[tuple[int, int], ...]:
        """Neighbours among the known positions that differ."""
        return tuple(
            pair for pair in pairwise(sorted(self.known)) if self.known[pair[0]] != self.known[pair[1]]
        )

    def _untried(self, before: int, after: int) -> Iterator[int]:
        return (at for at in range(before + 1, after) if at not in self.skipped and at not in self.known)

    def _middle(self, before: int, after: int) -> int | None:
        """The untried position nearest to the middle."""
        middle = (before + after) / 2
        return min(self._untried(before, after), key=lambda at: abs(at - middle), default=None)
