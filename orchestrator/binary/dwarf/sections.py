"""The sections of debug information of one file, each read once; all files of a core share an allowance."""

import math
import time
from collections.abc import Mapping
from typing import Final

from orchestrator.binary.elf.objectfile import ObjectFile

# Bytes of a section; libpython's .debug_info has 11 MB.
MAX_SECTION: Final = 64 << 20
# Bytes of all sections that are read for one core; expanded ones may be a thousand times as stored.
MAX_BYTES: Final = 256 << 20
# Steps between two looks at the clock; they take some milliseconds.
_LOOK: Final = 4096


class Allowance:
    """The bytes that may still be read of debug information."""

    def __init__(self, left: int = MAX_BYTES) -> None:
        self.left = left


class Steps:
    """The steps that reading one file may still take, and until when, in the thread's processor time."""

    def __init__(self, left: int, deadline: float = math.inf) -> None:
        self._left, self._deadline = left, deadline
        self._next_look = max(left - _LOOK, 0)

    def spend(self, steps: int = 1) -> None:
        """Count steps; raises ValueError beyond what any real file takes, and after the deadline."""
        self._left -= steps
        if self._left < self._next_look:
            self._next_look = max(self._left - _LOOK, 0)
            if self._left < 0 or time.thread_time() > self._deadline:
                self._left = self._next_look = -1
                raise ValueError("more steps than any real file takes, or too much time")


class Sections:
    """The sections of a file, by their names without `.debug_`; `suffix` is `.dwo` in split DWARF."""

    def __init__(self, source: ObjectFile, allowance: Allowance, suffix: str = "") -> None:
        self._source, self._allowance, self._suffix = source, allowance, suffix
        self._read: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        """A section's bytes; empty where there is none or it is too large. Raises ValueError if damaged."""
        if name not in self._read:
            limit = min(MAX_SECTION, self._allowance.left)
            self._read[name] = self._source.debug_section(f".debug_{name}{self._suffix}", limit)
            self._allowance.left -= len(self._read[name])
        return self._read[name]


class Parts(Sections):
    """One unit's parts of the sections of a package (.dwp), by their offsets and sizes."""

    def __init__(self, whole: Sections, parts: Mapping[str, tuple[int, int]]) -> None:
        self._whole, self._parts = whole, parts

    def get(self, name: str) -> bytes:
        """The unit's part of a section; the whole one of those that all units share."""
        offset, size = self._parts.get(name, (0, None))
        content = self._whole.get(name)
        return content if size is None else content[offset : offset + size]
