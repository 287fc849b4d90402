"""The backends that read stacks, best first, and the last resort that every core allows."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.stacks.elf import stacks as elf_stacks
from orchestrator.crash.stacks.gdb import stacks as gdb_stacks
from orchestrator.crash.stacks.reading import Backend, Frame, Reading, ThreadReading
from orchestrator.errors import ToolError

STACKS: Final[Mapping[str, Backend]] = {"gdb": gdb_stacks.read_stacks, "elf": elf_stacks.read_stacks}
"""By name, best first."""
NOTES: Final = "notes"
"""The last resort: what the core's own notes tell."""


def read_stacks(path: Path, core: Core, root: Path, names: Collection[str]) -> tuple[Reading, list[str]]:
    """The stacks as the best of the named backends reads them, and why better ones did not.

    The quickest is asked first, where it can be sure: where it leaves nothing unsure, it is as good as the
    best. It also marks what it found by a scan, so it is taken where gdb would guess in silence.
    """
    readings = _Readings(path, core, root)
    has_quick = elf_stacks.NAME in names
    if has_quick and elf_stacks.can_be_sure(core):
        quick = readings.of(elf_stacks.NAME)
        if quick and not quick.unsure:
            return quick, []
    lacking: list[str] = []
    for name in STACKS:
        if name in names:
            reading = readings.of(name)
            if reading and not (reading.guesses and has_quick and readings.of(elf_stacks.NAME)):
                return reading, lacking
            why = "it guesses frames where it cannot know the way out" if reading else readings.refused[name]
            lacking.append(f"without {name}: {why}")
    return read_notes(core), lacking


class _Readings:
    """What each backend reads in one core; none is asked twice."""

    def __init__(self, path: Path, core: Core, root: Path) -> None:
        self._core = path, core, root
        self._read: dict[str, Reading | None] = {}
        self.refused: dict[str, ToolError] = {}

    def of(self, name: str) -> Reading | None:
        """A backend's reading; None where it cannot be used, and why is in `refused`."""
        if name not in self._read:
            try:
                self._read[name] = STACKS[name](*self._core)
            except ToolError as error:
                self._read[name], self.refused[name] = None, error
        return self._read[name]


def read_notes(core: Core) -> Reading:
    """Where each thread was, by its NT_PRSTATUS; the crashed one is the first."""
    threads = tuple(
        ThreadReading(tid=state.tid, crashed=number == 0, frames=(Frame(pc=state.pc, sp=state.sp),))
        for number, state in enumerate(core.threads)
    )
    said = "only the innermost frame of each thread is known, without names"
    return Reading(backend=NOTES, version="", threads=threads, warnings=(said,))
