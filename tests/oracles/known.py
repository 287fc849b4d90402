"""Differences between debuggers that were looked into; docs/oracles.md says who is right and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Functions = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A difference: of which debugger, in which cases, and what makes both lists of functions equal in it."""

    debugger: str
    case: str
    why: str
    ours: str = ""
    """An expression for frames of ours that theirs lack."""
    theirs: str = ""
    """An expression for frames of theirs that ours lack."""
    respelled: tuple[str, str] = ("", "")
    """An expression for what one side writes otherwise, and what stands for it."""
    innermost: int = 0
    """Their frames that count, from the innermost on; those behind are of another stack, or none."""
    early: bool = False
    """Theirs end before our last frame."""
    beyond: bool = False
    """Theirs go on behind our last frame."""

    def settle(self, right: Functions, other: Functions) -> tuple[Functions, Functions]:
        """Both lists without this difference."""
        if self.innermost:
            return right[: self.innermost], other[: self.innermost]
        if self.early and right[: len(other)] == other:
            return other, other
        if self.beyond and other[: len(right)] == right:
            return right, right
        expression, instead = self.respelled
        if expression:
            right, other = (
                tuple(re.sub(expression, instead, name) for name in names) for names in (right, other)
            )
        return _without(self.ours, right, other), _without(self.theirs, other, right)


def explain(debugger: str, case: str, right: Functions, other: Functions) -> list[str] | None:
    """Why a debugger differs, each reason once; None where something is left that no reason explains."""
    reasons = []
    for known in KNOWN:
        if known.debugger != debugger or not re.search(known.case, case) or right == other:
            continue
        settled = known.settle(right, other)
        if settled != (right, other):
            reasons.append(known.why)
            right, other = settled
    return reasons if right == other else None


def _without(expression: str, names: Functions, others: Sequence[str]) -> Functions:
    if not expression:
        return names
    return tuple(name for name in names if name in others or not re.search(expression, name))


KNOWN: Final = (
    Known(debugger="drgn", case="touch|handler", ours="^passes_on$", why="it finds no tail calls"),
    Known(
        debugger="lldb",
        case="^gcc.*(touch|handler)",
        ours="^passes_on$",
        why="no tail calls of gcc's",
    ),
    Known(
        debugger="lldb",
        case="^clang.*(touch|handler)",
        theirs="^passes_on$",
        why="clang's tail calls",
    ),
    Known(debugger="drgn", case="abort|handler|throw", ours="_internal$", why="libc by symbols alone"),
    Known(debugger="lldb", case="abort|handler|throw", ours="_internal$", why="libc by symbols alone"),
    Known(
        debugger="drgn",
        case=r"\+\+",
        respelled=("^.*::", ""),
        why="names without scopes",
    ),
    Known(debugger="gdb", case=r"\+\+", respelled=("<long int>", "<long>"), why="types respelled"),
    Known(debugger="drgn", case=" wild$", innermost=1, why="it stays in code that is not there"),
    Known(debugger="lldb", case="^gcc -O2 -gdwarf-4", early=True, why="it ends before main"),
    Known(debugger="drgn", case=" -s ", beyond=True, why="it goes on behind _start"),
)
