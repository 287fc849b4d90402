"""The registry of backends, and the choice of the one that reads a core's stacks.

To add a backend that reads stacks: write its module (`BackendModule`), add one line to STACK_BACKENDS, and
its name to orchestrator.names.BACKENDS. `--backend`, its help, the choice and `Crash.backends` follow.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Protocol

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.choice import better_of, is_sure
from orchestrator.crash.stacks.elf import backend as elf_backend
from orchestrator.crash.stacks.gdb import backend as gdb_backend
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading
from orchestrator.errors import ToolError


class BackendModule(Protocol):
    """The functions of a backend's module."""

    def read_stacks(self, path: Path, core: Core, root: Path) -> Reading:
        """The stacks of the plain core at `path`, which is open as `core`, with the sysroot `root`.

        Raises ToolError if the backend cannot be used; `Reading.warnings` says what it could not read.
        """

    def goes_first(self, core: Core) -> bool:
        """Whether to ask this backend first: it is fast, and may be sure of all it reads in this core."""


STACK_BACKENDS: Final[Mapping[str, BackendModule]] = {
    "gdb": gdb_backend,
    "elf": elf_backend,
}
"""The backends that read native stacks by name, best first."""
NOTES: Final = "notes"
"""The fallback, which every core allows: what the core's own notes say."""


def read_stacks(path: Path, core: Core, root: Path, names: Collection[str]) -> tuple[Reading, list[str]]:
    """The stacks as the best of the named backends reads them, and why better ones were not used.

    A fast backend that leaves nothing unsure is as good as the best. Where the best guesses, each thread is
    as that backend has it whose frames are named and sure for longer.
    """
    readings = _Readings(path, core, root)
    chosen = [name for name in STACK_BACKENDS if name in names]
    for name in chosen:
        first = readings.of(name) if STACK_BACKENDS[name].goes_first(core) else None
        if first and not first.unsure:
            return first, []
    memory = ProcessMemory(core, root)
    lacking: list[str] = []
    best: Reading | None = None
    for name in chosen:
        reading = readings.of(name)
        if reading is None:
            lacking.append(f"without {name}: {readings.refused[name]}")
            continue
        best = better_of(memory, best, reading) if best else reading
        if is_sure(memory, best):
            break
    return best or read_notes(core), lacking


class _Readings:
    """What each backend reads in one core; none is asked twice."""

    def __init__(self, path: Path, core: Core, root: Path) -> None:
        self._core = path, core, root
        self._read: dict[str, Reading | None] = {}
        self.refused: dict[str, ToolError] = {}

    def of(self, name: str) -> Reading | None:
        """A backend's reading; None if it cannot be used, with the reason in `refused`."""
        if name not in self._read:
            try:
                self._read[name] = STACK_BACKENDS[name].read_stacks(*self._core)
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
