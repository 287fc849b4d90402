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


def limited(*, core: Path | None = None, written: int = MAX_ANSWER) -> list[str]:
    """util-linux's prlimit, which every Debian has; without it a time limit still holds.

    `core`: a file that the program maps as a whole, so that its size is added to the limit of memory.
    `written`: bytes that any one file may grow to; a program that writes more is killed.
    """
    prlimit = process.find("prlimit")
    memory = MEMORY + (MAPPINGS * core.stat().st_size if core else 0)
    return [prlimit, f"--as={memory}", f"--fsize={written}", "--core=0", "--"] if prlimit else []


def loose() -> tuple[str, ...]:
    """The warning for a host that confines such a program less than it should."""
    lacks = jail.shortcomings()
    return (f"{OF_HOST} {'; '.join(lacks)}",) if lacks else ()
