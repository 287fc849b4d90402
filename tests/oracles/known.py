"""Differences between debuggers that were looked into; docs/oracles.md says who is right and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Known:
    """A difference: of which debugger, in which cases, and what its frames are like."""

    debugger: str
    case: str
    why: str
    ours: str = ""
    """An expression that a frame of ours matches which theirs lack."""
    theirs: str = ""
    """An expression that a frame of theirs matches which ours lack."""

    def matches(self, debugger: str, case: str, right: Sequence[str], other: Sequence[str]) -> bool:
        """Whether this explains a difference."""
        return (
            debugger == self.debugger
            and re.search(self.case, case) is not None
            and (not self.ours or _has(self.ours, right, other))
            and (not self.theirs or _has(self.theirs, other, right))
        )


def _has(expression: str, names: Sequence[str], others: Sequence[str]) -> bool:
    return any(re.search(expression, name) for name in names if name not in others)


KNOWN: Final = (
    Known(debugger="drgn", case="touch|handler", ours="^passes_on$", why="it finds no tail calls"),
    Known(debugger="lldb", case="touch|handler", ours="^passes_on$", why="it finds no tail calls"),
    Known(debugger="drgn", case="abort|handler|throw", ours="_internal$", why="libc by symbols alone"),
    Known(debugger="lldb", case="abort|handler|throw", ours="_internal$", why="libc by symbols alone"),
    Known(debugger="drgn", case=r"\+\+", ours="::", why="names without their namespaces and classes"),
    Known(debugger="gdb", case=r"\+\+", ours="<long int>", theirs="<long>", why="types respelled"),
    Known(debugger="lldb", case=r"\+\+", ours="::", why="arguments in place of the first brackets"),
)
