"""Limits for programs that read untrusted cores."""

from typing import Final

from orchestrator.adapters import (
    jail,
    process,
)

MEMORY: Final = 4 << 30
"""Bytes of address space; debug files are mapped, so this is more than gdb uses."""
MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer that is read."""


def limited(*, written: int = MAX_ANSWER) -> list[str]:
    """util-linux's prlimit, which every Debian has; without it a time limit still holds.

    `written`: bytes that any one file may grow to; a program that writes more is killed.
    """
    prlimit = process.find("prlimit")
    return [prlimit, f"--as={MEMORY}", f"--fsize={written}", "--core=0", "--"] if prlimit else []


def loose() -> tuple[str, ...]:
    """The warning for a host that confines such a program less than it should."""
    lacks = jail.shortcomings()
    return (f"what read the core ran less confined than it should: {'; '.join(lacks)}",) if lacks else ()
