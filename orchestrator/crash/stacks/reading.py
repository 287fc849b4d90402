"""What every backend returns: the stacks of a core, before they are interpreted. Addresses are absolute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAIN: Final = "main"
"""The program's outermost function: a stack ends there."""
NEAR: Final = 4
"""Frames from a possible fault outwards whose registers are wanted: a walk may be in a caller."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame as a backend sees it.

    `sp` is the stack pointer in this frame; in a trampoline it is where the kernel's signal frame
    lies. `start` is where the function, or the nearest symbol, begins. `exact`: the function is known
    from debug information, or a symbol with a size covers the pc. `scanned`: not unwound, but
    found on the stack, and may be a leftover.
    """

    pc: int
    sp: int | None = None
    function: str | None = None
    start: int | None = None
    exact: bool = False
    file: str | None = None
    line: int | None = None
    trampoline: bool = False
    inline: bool = False
    """Inlined into the next frame outwards that is not; it has no start of its own."""
    tail_call: bool = False
    """It has jumped to the next frame inwards, and has no frame on the stack any more."""
    scanned: bool = False
    nearest: str | None = None


@dataclass(frozen=True, kw_only=True)
class ThreadReading:
    """One thread, innermost frame first; `registers` by the number of the frame that has them.

    Of the crashed thread, the registers of frame 0 and of every frame below a trampoline are wanted:
    one of these is where the original fault happened. Those of the three frames outside of these help to
    tell what a caller was at.
    """

    tid: int
    crashed: bool
    frames: tuple[Frame, ...]
    registers: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    """Those of the reading's warnings that are about this stack."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All threads of a core as one backend of that name and version reads them."""

    backend: str
    version: str
    threads: tuple[ThreadReading, ...]
    warnings: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    """Why another backend may know more; only of one that is asked before another."""
    guesses: tuple[str, ...] = ()
    """The warnings about frames that were guessed and are not marked as such."""
    others: tuple[tuple[str, str], ...] = ()
    """Further backends, with their versions, that read some of the threads."""
    by_program: bool = False
    """Whether another program read the core, which has to be confined."""
    named_by: tuple[str, str] | None = None
    """Backend and version that gave the names, where these come from another core's reading."""
    named_from: str | None = None
    """In words, which one, and how it is known that the names are these."""


def near_frames(frames: Sequence[Frame]) -> Iterator[int]:
    """The frames whose registers are wanted: the innermost, and those outwards of a signal's trampoline."""
    wanted = NEAR
    for number, frame in enumerate(frames):
        if wanted > 0:
            yield number
        wanted = NEAR if frame.trampoline else wanted - 1
