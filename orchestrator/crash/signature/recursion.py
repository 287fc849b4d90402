"""The calls that a stack overflowed by: the same ones again and again."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from orchestrator.model.recursion import MAX_PERIOD, ROUNDS, SHORTEST

Call = TypeVar("Call")

MAX_LEAD: Final = 32
"""Frames inside of the recursion that are looked past: which of its callees hit the end is chance."""


def cycle_of(calls: Sequence[Call], key: Callable[[Call], str]) -> list[Call]:
    """The calls of a recursion, each once and innermost first; empty where nothing repeats at once.

    `key` gives the name of the function that is called.

    It begins where it sorts first: in which of its functions the stack ended is chance.
    """
    names = list(map(key, calls))
    for lead in range(MAX_LEAD + 1):
        for period in range(1, MAX_PERIOD + 1):
            seen = names[lead : lead + max(ROUNDS * period, SHORTEST)]
            if len(seen) >= max(ROUNDS * period, SHORTEST) and seen[period:] == seen[:-period]:
                start = min(range(period), key=lambda start: seen[start:period] + seen[:start])
                cycle = calls[lead : lead + period]
                return [*cycle[start:], *cycle[:start]]
    return []
