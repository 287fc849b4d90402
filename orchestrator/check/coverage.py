"""Which environments a check tests by default: so few that they still have all pairs of values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.check.hazard import HAZARD, Group, hazards

PLAIN: Final = "plain"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A Python on a C library, and the launchers that it has."""

    python: str
    glibc: str
    launchers: tuple[str, ...]


def covering(environments: Iterable[Environment]) -> str:
    """The expression over the axes that chooses the cells of a check.

    Each hazard is tested with every Python and on every C library. Of servers each hazard is tested under
    every one, and each Python and C library under every one that it has: all pairs of values, few triples.
    """
    chosen = _environments(list(environments))
    return " or ".join(_clause(number, one) for number, one in enumerate(chosen))


def _environments(left: list[Environment]) -> list[Environment]:
    """So few environments that every Python and every C library is there, most new values first."""
    chosen: list[Environment] = []
    known: set[tuple[str, str]] = set()
    while left:
        best = max(left, key=lambda one: (len(_values(one) - known), len(one.launchers)))
        if not _values(best) - known:
            break
        chosen.append(best)
        known |= _values(best)
        left = [one for one in left if one is not best]
    return chosen


def _values(one: Environment) -> set[tuple[str, str]]:
    return {("python", one.python), ("glibc", one.glibc)}


def _clause(number: int, one: Environment) -> str:
    """The cells of an environment: all plain ones, and each server's share of the hazards, in turns."""
    servers = [name for name in one.launchers if name != PLAIN]
    parts = [f'launcher == "{PLAIN}"'] if PLAIN in one.launchers else []
    served = [item.name for item in hazards() if item.group is not Group.PLAIN]
    for turn, server in enumerate(servers):
        named = [name for at, name in enumerate(served) if (at + number) % len(servers) == turn]
        parts.append(f'launcher == "{server}" and {_one_of(named)}')
    return f'python == "{one.python}" and glibc == "{one.glibc}" and ({" or ".join(parts)})'


def _one_of(names: Sequence[str]) -> str:
    return "(" + " or ".join(f'{HAZARD} == "{name}"' for name in names) + ")"
