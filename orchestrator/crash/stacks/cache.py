"""Stacks that have been named once in this run, so that the same crash costs no second reading.

What a backend says of a return address (function, inlined calls, file, line) hangs on nothing but the
file that is mapped there and the offset in it. So where a stack has, from its first frame to its last,
the same offsets of the same files as one that was named before, it has the same names. Files are told
by build id, and names are carried over within one image only, since debug files come from it.

All else is read of each core anew: addresses, stack pointers and registers come from its own stacks,
which are unwound by call frame information alone. A stack is neither learnt nor named that could not be
unwound to its end, was found by a scan, has code of no such file (a wild jump), or that the backend saw
otherwise, or was not sure of.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.core.notes import ThreadState
from orchestrator.crash.process.memory import ProcessMemory
from orchestrator.crash.stacks.elf import stacks as elf_stacks
from orchestrator.crash.stacks.elf.unwind import Stack, Step, Unwinder
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading

MAX_STACKS: Final = 10_000
"""Stacks that one run remembers, of some kilobytes each."""

File = tuple[str, str]
"""A mapped file by its path and its build id."""
Key = tuple[tuple[File, int, bool], ...]
"""Of every frame: file, offset from where it is loaded, whether it is a signal's trampoline."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A frame as the debugger had it, its addresses from where its file is loaded.

    `step`: the unwound frame that it is or is inlined into; None for a tail call's, which has no stack.
    """

    file: File
    frame: Frame
    step: int | None


@dataclass(frozen=True, kw_only=True)
class KnownStack:
    """The frames of one stack, who named them, and of which crash."""

    frames: tuple[Named, ...]
    backend: str
    version: str
    origin: str


class StackCache:
    """The named stacks of one run. May be used by several threads at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._stacks: dict[tuple[str, Key], KnownStack] = {}

    def read(self, core: Core, root: Path, image: str) -> Reading | None:
        """The stacks of a core, where each of them is known; else None. `root` is its sysroot."""
        unwound = _unwind(core, root)
        with self._lock:
            known = [self._stacks.get((image, key)) if key else None for _, key in unwound]
        found = [stack for stack in known if stack]
        if not found or len(found) < len(known):
            return None
        threads = tuple(
            _thread(core, state, stack, named, crashed=number == 0)
            for number, (state, (stack, _), named) in enumerate(
                zip(core.threads, unwound, found, strict=True)
            )
        )
        return Reading(
            backend=elf_stacks.NAME, version=elf_stacks.VERSION, threads=threads,
            named_by=(found[0].backend, found[0].version), named_from=_say(found),
        )  # fmt: skip

    def learn(self, core: Core, root: Path, image: str, reading: Reading, origin: str) -> None:
        """Remember the stacks that a debugger named; `origin` says in words of which crash they are."""
        if reading.warnings or reading.unsure:
            return
        threads = {thread.tid: thread for thread in reading.threads}
        for state, (stack, key) in zip(core.threads, _unwind(core, root), strict=True):
            thread = threads.get(state.tid)
            frames = _learn(core, stack.steps, thread.frames) if key and thread else None
            if not key or not frames:
                continue
            known = KnownStack(frames=frames, backend=reading.backend, version=reading.version, origin=origin)
            with self._lock:
                if len(self._stacks) < MAX_STACKS:
                    self._stacks.setdefault((image, key), known)


def _unwind(core: Core, root: Path) -> list[tuple[Stack, Key | None]]:
    """Each thread's stack, and what it is known by; 27 frames take 3 ms."""
    unwinder, machine = Unwinder(ProcessMemory(core, root)), UNWIND_ARCHES[core.arch]
    stacks = [unwinder.walk(machine.numbered(thread.registers)) for thread in core.threads]
    known = not core.truncated and not _has_copies(core)
    return [(stack, _key(core, stack) if known else None) for stack in stacks]


def _key(core: Core, stack: Stack) -> Key | None:
    if stack.stopped or any(step.scanned for step in stack.steps):
        return None
    places = [_place(core, step.pc) for step in stack.steps]
    known = [place for place in places if place]
    if not known or len(known) < len(places):
        return None
    return tuple(
        (file, offset, step.trampoline) for (file, offset), step in zip(known, stack.steps, strict=True)
    )


def _has_copies(core: Core) -> bool:
    """Whether a file is loaded more than once, so that an offset in it is no place."""
    return len({module.path for module in core.modules}) < len(core.modules)


def _file(module: MappedModule) -> File:
    return module.path, module.build_id or ""


def _place(core: Core, pc: int) -> tuple[File, int] | None:
    """The file of an address and the offset in it; None where no file with a build id is mapped."""
    module = core.module_at(pc)
    return (_file(module), pc - module.base) if module and module.build_id else None


def _learn(core: Core, steps: Sequence[Step], frames: Sequence[Frame]) -> tuple[Named, ...] | None:
    """The debugger's frames by the steps that they are; None where it saw another stack than we do."""
    learnt: list[Named] = []
    left = 0
    for frame in frames:
        place = _place(core, frame.pc)
        if place is None:
            return None
        here = left if left < len(steps) and frame.pc == steps[left].pc else None
        base = frame.pc - place[1]
        start = None if frame.start is None else frame.start - base
        relative = replace(frame, pc=place[1], sp=None, start=start)
        learnt.append(Named(file=place[0], frame=relative, step=here))
        left += here is not None and not frame.inline
    # What called main the debugger leaves out; all that it has must be there.
    return tuple(learnt) if learnt and learnt[-1].step is not None else None


def _thread(
    core: Core, state: ThreadState, stack: Stack, known: KnownStack, *, crashed: bool
) -> ThreadReading:
    bases = {_file(module): module.base for module in core.modules}
    frames = tuple(_frame(named, stack.steps, bases[named.file]) for named in known.frames)
    steps = [None if named.step is None else stack.steps[named.step] for named in known.frames]
    registers = elf_stacks.frame_registers(state, frames, steps, UNWIND_ARCHES[core.arch]) if crashed else {}
    return ThreadReading(tid=state.tid, crashed=crashed, frames=frames, registers=registers)


def _frame(named: Named, steps: Sequence[Step], base: int) -> Frame:
    frame = named.frame
    return replace(
        frame, pc=frame.pc + base, sp=None if named.step is None else steps[named.step].sp,
        start=None if frame.start is None else frame.start + base,
    )  # fmt: skip


def _say(stacks: Sequence[KnownStack]) -> str:
    origins = sorted({stack.origin for stack in stacks})
    of = origins[0] if len(origins) == 1 else f"{origins[0]} and {len(origins) - 1} more"
    frames = sum(len(stack.frames) for stack in stacks)
    many = f"all {len(stacks)} threads' stacks" if len(stacks) > 1 else "the stack"
    return (
        f"Names and source lines are those that {stacks[0].backend} {stacks[0].version} gave {of}, in the "
        f"same image: {many} ({frames} frames) lead through the same offsets of the same files by build id. "
        "Addresses, registers and all else were read from this core."
    )
