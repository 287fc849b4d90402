"""The environments that a check tests by default: the fewest that have all pairs of values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.check.hazard import HAZARD, Group, hazards

PLAIN: Final = "plain"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A Python on a C library, with the launchers that it can have."""

    python: str
    glibc: str
    launchers: tuple[str, ...]


def covering(environments: Iterable[Environment]) -> str:
    """The expression over the axes that chooses the cells of a check.

    Each hazard is tested with every Python, on every C library and under every server, and every server with
    each Python and C library that it can have: all pairs of values, few triples.
    """
    chosen = _environments(list(environments))
    return " or ".join(_clause(number, one) for number, one in enumerate(chosen))


def _environments(left: list[Environment]) -> list[Environment]:
    """The fewest environments that have every Python and every C library, most new values first."""
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
    """The cells of an environment: all plain ones, and a share of the hazards for each server, in turn."""
    servers = [name for name in one.launchers if name != PLAIN]
    parts = [f'launcher == "{PLAIN}"'] if PLAIN in one.launchers else []
    served = [item.name for item in hazards() if item.group is not Group.PLAIN]
    for turn, server in enumerate(servers):
        named = [name for at, name in enumerate(served) if (at + number) % len(servers) == turn]
        parts.append(f'launcher == "{server}" and {_one_of(named)}')
    return f'python == "{one.python}" and glibc == "{one.glibc}" and ({" or ".join(parts)})'


def _one_of(names: Sequence[str]) -> str:
    return "(" + " or ".join(f'{HAZARD} == "{name}"' for name in names) + ")"
