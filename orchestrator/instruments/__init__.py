"""Instruments: tools that watch a process from inside its container; one module a tool.

Each module holds everything about its tool: how it gets into an image, its command line and environment, its
output file and parser, where it cannot run, how much slower a process is under it, and whether the core is
the program's own.
"""

from typing import Final

from orchestrator.instruments.asan import ASAN
from orchestrator.instruments.instrument import Instrument
from orchestrator.instruments.strace import STRACE
from orchestrator.instruments.valgrind import VALGRIND

__all__ = ["INSTRUMENTS", "Instrument", "is_compiled_in"]

INSTRUMENTS: Final[dict[str, Instrument]] = {item.name: item for item in (VALGRIND, STRACE, ASAN)}
"""By the value of the axis `instrument`. The value `none` has no instrument."""


def is_compiled_in(name: str) -> bool:
    """Whether the instrument of this name is part of the program that it watches."""
    return name in INSTRUMENTS and bool(INSTRUMENTS[name].compiler_options)
