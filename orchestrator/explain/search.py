"""The shortest rules that match exactly the cells that show a subject.

A rule is a union (`or`) of conjunctions (`and`) of conditions, with at most one condition for each axis.
Its cost is the number of values it writes plus one for each `or`. The search is exact: it finds all rules of
the lowest cost, or reports that it stopped early (`cut`). Each conjunction grows from a cell that it must
cover; each step picks the other cell that leaves the fewest ways to exclude it, as ESPRESSO's expansion
against the off-set does (Brayton et al., Logic Minimization Algorithms for VLSI Synthesis, 1984).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

from orchestrator.explain.space import Condition, Space

MAX_COST: Final = 14
"""The highest cost of a rule of several conjunctions; a longer one explains nothing."""
STEPS: Final = 25_000
"""Conjunctions that one search tries before it stops."""
MOST_RULES: Final = 64
"""The most equally short rules that are collected."""
SUPPORT: Final = 2
"""The fewest cells that a conjunction covers. A conjunction of one cell only names that cell."""

Term = tuple[Condition, ...]
RuleTerms = tuple[Term, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The rules of the lowest cost, in a fixed order. `cut`: a cheaper rule was not ruled out."""

    rules: tuple[RuleTerms, ...]
    cost: int
    cut: bool


class _CutError(Exception):
    """The search has no steps left."""


def shortest_rules(space: Space, shown: int, others: int) -> Found:
    """Search the rules that cover all `shown` cells and none of the `others`; neither set is empty."""
    search = _Search(space, shown, others)
    single, cost = search.conjunctions()
    try:
        for limit in range(3, min(cost, MAX_COST) + 1):
            unions = search.unions(limit)
            if unions or limit == cost:
                rules = {*unions, *(single if limit == cost else ())}
                return Found(rules=_ordered(rules), cost=limit, cut=False)
    except _CutError:
        return Found(rules=_ordered(single), cost=cost, cut=True)
    return Found(rules=_ordered(single), cost=cost, cut=False)


def term_text(term: Term) -> str:
    """A conjunction in the expression language."""
    return " and ".join(condition.text for condition in term)


def rule_text(rule: RuleTerms) -> str:
    """A rule in the expression language."""
    if len(rule) == 1:
        return term_text(rule[0])
    return " or ".join(f"({term_text(term)})" if len(term) > 1 else term_text(term) for term in rule)


def _ordered(rules: set[RuleTerms]) -> tuple[RuleTerms, ...]:
    return tuple(sorted(rules, key=lambda rule: (len(rule), sum(map(len, rule)), rule_text(rule))))


def _bits(term: Term, everything: int) -> int:
    for condition in term:
        everything &= condition.bits
    return everything


@dataclass
class _Search:
    space: Space
    shown: int
    others: int
    steps: int = STEPS
    _terms: dict[tuple[int, int, int], tuple[tuple[int, Term], ...]] = field(default_factory=dict)

    def conjunctions(self) -> tuple[set[RuleTerms], int]:
        """Single conjunctions that cover all cells, and their lowest cost; without one, MAX_COST + 1."""
        tight: list[Condition] = []
        for axis in self.space.axes:
            mask = sum(1 << at for at, bits in enumerate(axis.bits) if bits & self.shown)
            if mask != (1 << len(axis.values)) - 1:
                tight.append(axis.exactly(mask))
        if _bits(tuple(tight), self.others):
            return set(), MAX_COST + 1
        highest = sum(condition.cost for condition in tight)
        seed = self.shown & -self.shown
        try:
            for limit in range(1, highest + 1):
                found = [term for cost, term in self._implicants(seed, self.shown, limit) if cost == limit]
                if found:
                    return {(term,) for term in found[:MOST_RULES]}, limit
        except _CutError:
            self.steps = 0
        return {(tuple(tight),)}, highest

    def unions(self, limit: int) -> set[RuleTerms]:
        """Unions of two or more conjunctions whose cost is exactly `limit`."""
        rules: set[RuleTerms] = set()
        self._cover(self.shown, limit, (), rules)
        return rules

    def _cover(self, uncovered: int, left: int, terms: RuleTerms, rules: set[RuleTerms]) -> None:
        if len(rules) >= MOST_RULES:
            return
        if not uncovered:
            if left == -1 and len(terms) > 1:
                rules.add(tuple(sorted(terms, key=term_text)))
            return
        seed = uncovered & -uncovered
        if terms:
            # The last conjunction must cover all that is left, which narrows it to few.
            for cost, term in self._implicants(seed, uncovered, left):
                if cost == left:
                    self._cover(0, -1, (*terms, term), rules)
        for cost, term in self._implicants(seed, seed, left - 2):
            rest = uncovered & ~_bits(term, self.shown)
            if rest:
                self._cover(rest, left - cost - 1, (*terms, term), rules)

    def _implicants(self, seed: int, must: int, limit: int) -> tuple[tuple[int, Term], ...]:
        """Conjunctions within a cost that cover `must`, which holds the seed, and no other cell."""
        if limit < 1:
            return ()
        key = (seed, must, limit)
        if key not in self._terms:
            self.step()
            if self._hull(must) & self.others:
                # Even the narrowest conjunction that covers these cells covers another one.
                return ()
            found: dict[str, tuple[int, Term]] = {}
            grow = _Growth(self, seed, must)
            for cost, term in grow.terms((), self.shown, self.others, 0, limit):
                found[term_text(term)] = (cost, term)
            self._terms[key] = self._useful([found[text] for text in sorted(found)])
        return self._terms[key]

    def _useful(self, found: list[tuple[int, Term]]) -> tuple[tuple[int, Term], ...]:
        """The conjunctions, cheapest first, without those that a cheaper one can replace."""
        kept: list[tuple[int, Term]] = []
        widest: list[int] = []  # What cheaper conjunctions cover, without sets that lie in another one.
        for _, group in groupby(sorted(found, key=itemgetter(0)), key=itemgetter(0)):
            covers = [(_bits(item[1], self.shown), item) for item in group]
            # Many conjunctions cover the same cells: each set is compared once.
            new = {
                covered for covered in {one for one, _ in covers} if all(covered & ~wide for wide in widest)
            }
            kept += [item for covered, item in covers if covered in new]
            widest = [*(wide for wide in widest if all(wide & ~covered for covered in new)), *new]
        return tuple(kept)

    def _hull(self, must: int) -> int:
        """The cells that are covered by every conjunction that covers the cells `must`."""
        hull = -1
        for axis in self.space.axes:
            covered = 0
            for bits in axis.bits:
                if bits & must:
                    covered |= bits
            hull &= covered
        return hull

    def step(self) -> None:
        """Count a step; raises _CutError if no step is left."""
        self.steps -= 1
        if self.steps < 0:
            raise _CutError


class _Growth:
    """All conjunctions that grow from one cell."""

    def __init__(self, search: _Search, seed: int, must: int) -> None:
        self._search = search
        self._axes = search.space.axes
        self._at = [next(at for at, bits in enumerate(axis.bits) if bits & seed) for axis in self._axes]
        self._same = [axis.bits[at] for axis, at in zip(self._axes, self._at, strict=True)]
        self._options = [
            [item for item in self._candidates(axis.index, must) if not must & ~item.bits]
            for axis in self._axes
        ]
        self._seen: set[frozenset[str]] = set()

    def _candidates(self, axis: int, must: int) -> tuple[Condition, ...]:
        space = self._axes[axis]
        mask = sum(1 << at for at, bits in enumerate(space.bits) if bits & must)
        known = space.conditions
        if mask == (1 << len(space.values)) - 1 or any(item.mask == mask for item in known):
            return known
        return (*known, space.exactly(mask))

    def terms(self, term: Term, shown: int, others: int, used: int, left: int) -> Iterator[tuple[int, Term]]:
        """Every way to exclude the other cells that are left; `used` is the set of axes in the term."""
        self._search.step()
        if not others:
            yield sum(item.cost for item in term), tuple(sorted(term, key=lambda item: item.axis))
            return
        for condition in self._branches(others, used, left):
            covered = shown & condition.bits
            longer = (*term, condition)
            name = frozenset(item.text for item in longer)
            if covered.bit_count() >= SUPPORT and name not in self._seen:
                self._seen.add(name)
                excluded = others & condition.bits
                yield from self.terms(
                    longer, covered, excluded, used | 1 << condition.axis, left - condition.cost
                )

    def _branches(self, others: int, used: int, left: int) -> list[Condition]:
        """The candidates for the next condition: on a forced axis, else on every axis that differs."""
        free = [axis.index for axis in self._axes if not used >> axis.index & 1]
        if left < 1 or not free:
            return []
        forced = self._forced(others, free)
        if forced is None:
            return []
        if len(forced) > left:
            return []
        if forced:
            options = [
                [item for item in self._options[axis] if item.cost <= left and not item.mask & mask]
                for axis, mask in forced.items()
            ]
            return min(options, key=len)
        one = others & -others
        return [
            item
            for axis in free
            if not self._same[axis] & one
            for item in self._options[axis]
            if item.cost <= left and not item.bits & one
        ]

    def _forced(self, others: int, free: list[int]) -> dict[int, int] | None:
        """Axes on which alone some other cell differs from the seed, with those cells' values as a mask.

        None where a other cell differs on no axis that is left: this conjunction cannot be completed.
        """
        before = [others]
        for axis in free:
            before.append(before[-1] & self._same[axis])
        if before[-1]:
            return None
        forced: dict[int, int] = {}
        after = -1
        for position in range(len(free) - 1, -1, -1):
            axis = free[position]
            alone = before[position] & after
            if alone:
                bits = self._axes[axis].bits
                forced[axis] = sum(1 << at for at, cells in enumerate(bits) if cells & alone)
            after &= self._same[axis]
        return forced
