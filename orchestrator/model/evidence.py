"""The report of an instrument on a trial, besides the exit of its process."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orchestrator.model.base import LARGEST, Integer, Value


class StackRole(StrEnum):
    """The meaning of a stack of a finding."""

    SEEN = "seen"
    """Where the program was when the instrument saw it."""
    FREED = "freed"
    """Where the block in question had been freed."""
    ALLOCATED = "allocated"
    """Where the block in question had been allocated."""
    OTHER = "other"


class WatchedFrame(Value):
    """A frame by the instrument's own symbols, which no other backend has checked."""

    function: str | None = None
    module: str | None = None
    file: str | None = None
    line: Integer | None = None


class WatchedStack(Value):
    """A stack of a finding, innermost frame first; `title` is the instrument's own sentence for it."""

    role: StackRole
    title: str
    frames: tuple[WatchedFrame, ...] = ()
    left_out: Integer = 0
    """Frames further out that were not kept."""


class InstrumentFinding(Value):
    """One kind of event that an instrument reports, how often, and the first occurrence in its own words.

    For strace `kind` is the call and its error, for example `execve EFAULT`; for valgrind its own name of
    the error, with ` in a freed block` where it says so, or `fatal SIGSEGV`; for AddressSanitizer its own
    name, for example `heap-use-after-free`.
    """

    kind: str
    count: Annotated[int, Field(ge=1, le=LARGEST)]
    first: str
    stacks: tuple[WatchedStack, ...] = ()


class Evidence(Value):
    """The findings of one instrument in one trial; `path` is its whole output, in the run's folder."""

    instrument: str
    findings: tuple[InstrumentFinding, ...] = ()
    path: str | None = None
    note: str | None = None
    """What is missing or unread, or why there is nothing."""


class WantedFinding(Value):
    """The finding that an expectation requires: its kind, and the least (and most) occurrences.

    Named functions must be in the finding's own stack (`frames`), in the stack that freed the block (`freed`)
    and in the stack that allocated it (`allocated`), innermost first; other frames may lie between.
    """

    kind: str
    at_least: Annotated[int, Field(ge=0, le=LARGEST)] = 1
    at_most: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    frames: tuple[str, ...] = ()
    freed: tuple[str, ...] = ()
    allocated: tuple[str, ...] = ()

    @property
    def stacks(self) -> dict[StackRole, tuple[str, ...]]:
        """The required functions by the role of their stack, without empty ones."""
        wanted = {
            StackRole.SEEN: self.frames,
            StackRole.FREED: self.freed,
            StackRole.ALLOCATED: self.allocated,
        }
        return {role: functions for role, functions in wanted.items() if functions}
