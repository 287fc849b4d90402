"""The backends that read stacks, best first, and the last resort that every core allows."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from orchestrator.crash import elf_stacks, gdb_stacks
from orchestrator.crash.reading import Backend, Frame, Reading, ThreadReading
from orchestrator.errors import ToolError
from orchestrator.tools.core import Core

STACKS: Final[Mapping[str, Backend]] = {"gdb": gdb_stacks.read_stacks, "elf": elf_stacks.read_stacks}
"""By name, best first."""
NOTES: Final = "notes"
"""The last resort: what the core's own notes tell."""


def read_stacks(path: Path, core: Core, root: Path, names: Collection[str]) -> tuple[Reading, list[str]]:
    """The stacks as the best of the named backends reads them, and why better ones did not."""
    lacking: list[str] = []
    for name, backend in STACKS.items():
        if name not in names:
            continue
        try:
            return backend(path, core, root), lacking
        except ToolError as error:
            lacking.append(f"without {name}: {error}")
    return read_notes(core), lacking


def read_notes(core: Core) -> Reading:
    """Where each thread was, by its NT_PRSTATUS; the crashed one is the first."""
    threads = tuple(
        ThreadReading(tid=state.tid, crashed=number == 0, frames=(Frame(pc=state.pc, sp=state.sp),))
        for number, state in enumerate(core.threads)
    )
    said = "only the innermost frame of each thread is known, without names"
    return Reading(backend=NOTES, version="", threads=threads, warnings=(said,))
