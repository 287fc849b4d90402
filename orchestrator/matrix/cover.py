"""A cover: few cells that have every pair, or triple, of axis values that any cell has."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Final

from orchestrator.model import Cover

NEW: Final = 0.5
"""The weight of a new combination in a cell that needs a new image, and again in a new environment.

On a matrix of 21,146 cells on 1,615 images a pairwise cover has 248 cells on 330 images by 1, 251 on 237 by
0.7, 252 on 228 by 0.5, and 262 on 231 by 0.3. An image costs a minute where a cell costs seconds.
"""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A cell that may be chosen: its axis values, each as a number, and what must be built for it."""

    values: tuple[int, ...]
    image: Hashable
    environment: Hashable


def covering(candidates: Sequence[Candidate], cover: Cover) -> list[int]:
    """The numbers of the chosen candidates, in order; they have every combination of all candidates.

    The search is greedy: it takes the candidate with the most new combinations, weighted down for a new
    image or environment. Afterwards it drops superfluous candidates, whole images first.
    """
    if cover.strength is None:
        return list(range(len(candidates)))
    search = _Search(candidates, cover.strength)
    return sorted(_necessary(candidates, search.run(), cover.strength))


def combination_count(candidates: Sequence[Candidate], strength: int) -> int:
    """The number of different combinations of a number of axis values among the candidates."""
    return len({values for candidate in candidates for values in _combinations(candidate, strength)})


def _combinations(candidate: Candidate, strength: int) -> Iterator[tuple[int, ...]]:
    # A candidate with fewer values counts as one combination.
    return combinations(sorted(candidate.values), min(strength, len(candidate.values)))


@dataclass
class _Search:
    """The state of a greedy search. `most` bounds from above how many new combinations a candidate has."""

    candidates: Sequence[Candidate]
    strength: int
    chosen: list[int] = field(default_factory=list)
    known: set[Hashable] = field(default_factory=set)
    """Chosen images and environments."""
    covered: set[tuple[int, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.most = [comb(len(item.values), min(self.strength, len(item.values))) for item in self.candidates]
        self.sharing: dict[Hashable, list[int]] = defaultdict(list)
        for number, item in enumerate(self.candidates):
            self.sharing["image", item.image].append(number)
            self.sharing["environment", item.environment].append(number)
        self.heap = [self._entry(number) for number in range(len(self.candidates))]
        heapq.heapify(self.heap)

    def run(self) -> list[int]:
        """Choose until nothing is new. A candidate's count is updated only when it comes first."""
        while self.heap:
            _, number = heapq.heappop(self.heap)
            if not self.most[number]:
                continue
            mine = _combinations(self.candidates[number], self.strength)
            self.most[number] = sum(values not in self.covered for values in mine)
            entry = self._entry(number)
            if self.heap and entry > self.heap[0]:
                heapq.heappush(self.heap, entry)
            elif self.most[number]:
                self._choose(number)
        return self.chosen

    def _choose(self, number: int) -> None:
        item = self.candidates[number]
        self.chosen.append(number)
        self.covered.update(_combinations(item, self.strength))
        self.most[number] = 0
        for part in (("image", item.image), ("environment", item.environment)):
            if part not in self.known:
                self.known.add(part)
                # Candidates that share it are now worth more than their entries say.
                for other in self.sharing[part]:
                    if self.most[other]:
                        heapq.heappush(self.heap, self._entry(other))

    def _entry(self, number: int) -> tuple[float, int]:
        item, worth = self.candidates[number], float(self.most[number])
        for part in (("image", item.image), ("environment", item.environment)):
            worth *= 1 if part in self.known else NEW
        return -worth, number


def _necessary(candidates: Sequence[Candidate], chosen: Sequence[int], strength: int) -> set[int]:
    """The chosen candidates without superfluous ones: whole images first."""
    counts = Counter(values for number in chosen for values in _combinations(candidates[number], strength))
    images: dict[Hashable, list[int]] = defaultdict(list)
    for number in chosen:
        images[candidates[number].image].append(number)
    kept = set(chosen)
    for group in [*sorted(images.values(), key=len), *([number] for number in reversed(chosen))]:
        if not kept.issuperset(group):
            continue
        mine = Counter(values for number in group for values in _combinations(candidates[number], strength))
        if all(counts[values] > count for values, count in mine.items()):
            counts.subtract(mine)
            kept.difference_update(group)
    return kept
