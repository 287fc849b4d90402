"""Limits for programs that read untrusted cores."""

from pathlib import Path
from typing import Final

from orchestrator.adapters import (
    jail,
    process,
)
from orchestrator.model.crash import OF_HOST

MEMORY: Final = 4 << 30
"""Bytes of address space, beside what a core takes; debug files are mapped, so this is more than gdb uses."""
MAPPINGS: Final = 2
"""How often a program may map the core: pystack does once for its notes and once for its memory."""
MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer that is read."""


def most_memory(core: Path) -> int:
    """Bytes of address space for a program that maps a core as a whole."""
    return MEMORY + MAPPINGS * core.stat().st_size


def limited(*, written: int = MAX_ANSWER) -> list[str]:
    """util-linux's prlimit, which every Debian has; without it a time limit still holds.

    `written`: bytes that any one file may grow to; a program that writes more is killed.
    """
    prlimit = process.find("prlimit")
    return [prlimit, f"--as={MEMORY}", f"--fsize={written}", "--core=0", "--"] if prlimit else []


def loose() -> tuple[str, ...]:
    """The warning for a host that confines such a program less than it should."""
    lacks = jail.shortcomings()
    return (f"{OF_HOST} {'; '.join(lacks)}",) if lacks else ()
