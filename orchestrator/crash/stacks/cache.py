"""The stack cache: the names of stacks that were read before, for further cores of the same crash.

A run has one of its own, which ends with it; `analyze` keeps what it reads of an image in a folder.

What a backend says of a return address (function, inlined calls, file, line) depends only on the file
that is mapped there and the offset in it. So a stack whose frames, from the first to the last, are at the
same offsets of the same files as those of a cached stack has the same names. Files are identified by
build id, and names are reused within one image only, since debug files come from it.

Everything else is read from each core: addresses, stack pointers and registers come from its own stacks,
which are unwound by call frame information alone. A stack is neither stored nor looked up if it could not
be unwound to its end, was found by a scan, or has code of no file with a build id (a wild jump). Nor is it
stored if the backend saw other frames or was unsure.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.core.notes import ThreadState
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf import NAME, VERSION
from orchestrator.crash.stacks.elf.registers import frame_registers
from orchestrator.crash.stacks.elf.unwind import Stack, Step, Unwinder
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.crash.stacks.kept import KeptStacks
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading

MAX_STACKS: Final = 10_000
"""Stacks that one run stores, of some kilobytes each."""

File = tuple[str, str]
"""A mapped file by its path and its build id."""
Key = tuple[tuple[File, int, bool], ...]
"""For every frame: file, offset from its base, whether it is a signal's trampoline."""


@dataclass(frozen=True, kw_only=True)
class CachedFrame:
    """A frame as the backend read it, its addresses relative to the base of its file.

    `step`: the number of the unwound frame that it is or is inlined into; None for a tail call, which has
    no stack of its own.
    """

    file: File
    frame: Frame
    step: int | None


@dataclass(frozen=True, kw_only=True)
class CachedStack:
    """The frames of one stack, the backend that named them, and the crash that they are from."""

    frames: tuple[CachedFrame, ...]
    backend: str
    version: str
    origin: str


class StackCache:
    """The named stacks of one run, or of all that used a folder. Threads may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Start empty, or with what the folder has."""
        self._lock = threading.Lock()
        self._stacks: dict[tuple[str, Key], CachedStack] = {}
        self._kept = KeptStacks(folder, CachedStack) if folder else None

    def read(self, core: Core, root: Path, image: str) -> Reading | None:
        """The stacks of a core if each of them is cached, else None. `root` is its sysroot."""
        unwound = _unwind(core, root)
        cached = [self._get(image, key) if key else None for _, key in unwound]
        found = [stack for stack in cached if stack]
        if not found or len(found) < len(cached):
            return None
        threads = tuple(
            _thread(core, state, stack, hit, crashed=number == 0)
            for number, (state, (stack, _), hit) in enumerate(zip(core.threads, unwound, found, strict=True))
        )
        return Reading(
            backend=NAME, version=VERSION, threads=threads,
            named_by=(found[0].backend, found[0].version), named_from=_say(found),
        )  # fmt: skip

    def store(self, core: Core, root: Path, image: str, reading: Reading, origin: str) -> None:
        """Store the stacks that a backend named; `origin` says in words which crash they are from."""
        if reading.warnings or reading.unsure:
            return
        threads = {thread.tid: thread for thread in reading.threads}
        for state, (stack, key) in zip(core.threads, _unwind(core, root), strict=False):
            thread = threads.get(state.tid)
            frames = _match(core, stack.steps, thread.frames) if key and thread else None
            if not key or not frames:
                continue
            cached = CachedStack(
                frames=frames, backend=reading.backend, version=reading.version, origin=origin
            )
            self._put(image, key, cached)

    def _get(self, image: str, key: Key) -> CachedStack | None:
        with self._lock:
            found = self._stacks.get((image, key))
        return found or (self._kept.get((image, key)) if self._kept else None)

    def _put(self, image: str, key: Key, stack: CachedStack) -> None:
        with self._lock:
            if len(self._stacks) < MAX_STACKS:
                self._stacks.setdefault((image, key), stack)
        if self._kept:
            self._kept.put((image, key), stack)


def _unwind(core: Core, root: Path) -> list[tuple[Stack, Key | None]]:
    """Each thread's stack and its key in the cache, None for one that has none; 27 frames take 3 ms."""
    if core.arch not in UNWIND_ARCHES:
        return []
    unwinder, machine = Unwinder(ProcessMemory(core, root)), UNWIND_ARCHES[core.arch]
    stacks = [unwinder.walk(machine.numbered(thread.registers)) for thread in core.threads]
    has_keys = not core.truncated and not _has_copies(core)
    return [(stack, _key(core, stack) if has_keys else None) for stack in stacks]


def _key(core: Core, stack: Stack) -> Key | None:
    if stack.stopped or any(step.scanned for step in stack.steps):
        return None
    places = [_place(core, step.pc) for step in stack.steps]
    in_files = [place for place in places if place]
    if not in_files or len(in_files) < len(places):
        return None
    return tuple(
        (file, offset, step.trampoline) for (file, offset), step in zip(in_files, stack.steps, strict=True)
    )


def _has_copies(core: Core) -> bool:
    """Whether a file is loaded more than once, so that an offset in it does not identify an address."""
    return len({module.path for module in core.modules}) < len(core.modules)


def _file(module: MappedModule) -> File:
    return module.path, module.build_id or ""


def _place(core: Core, pc: int) -> tuple[File, int] | None:
    """The file of an address and the offset in it; None where no file with a build id is mapped."""
    module = core.module_at(pc)
    return (_file(module), pc - module.base) if module and module.build_id else None


def _match(core: Core, steps: Sequence[Step], frames: Sequence[Frame]) -> tuple[CachedFrame, ...] | None:
    """The backend's frames with the steps that they belong to; None where it read another stack."""
    matched: list[CachedFrame] = []
    left = 0
    for frame in frames:
        place = _place(core, frame.pc)
        if place is None:
            return None
        here = left if left < len(steps) and frame.pc == steps[left].pc else None
        base = frame.pc - place[1]
        start = None if frame.start is None else frame.start - base
        relative = replace(frame, pc=place[1], sp=None, start=start)
        matched.append(CachedFrame(file=place[0], frame=relative, step=here))
        left += here is not None and not frame.inline
    # A debugger leaves out what called main; each frame that it has must be there.
    return tuple(matched) if matched and matched[-1].step is not None else None


def _thread(
    core: Core, state: ThreadState, stack: Stack, cached: CachedStack, *, crashed: bool
) -> ThreadReading:
    bases = {_file(module): module.base for module in core.modules}
    frames = tuple(_frame(item, stack.steps, bases[item.file]) for item in cached.frames)
    steps = [None if item.step is None else stack.steps[item.step] for item in cached.frames]
    registers = frame_registers(state, frames, steps, UNWIND_ARCHES[core.arch]) if crashed else {}
    return ThreadReading(tid=state.tid, crashed=crashed, frames=frames, registers=registers)


def _frame(cached: CachedFrame, steps: Sequence[Step], base: int) -> Frame:
    frame = cached.frame
    return replace(
        frame, pc=frame.pc + base, sp=None if cached.step is None else steps[cached.step].sp,
        start=None if frame.start is None else frame.start + base,
    )  # fmt: skip


def _say(stacks: Sequence[CachedStack]) -> str:
    origins = sorted({stack.origin for stack in stacks})
    of = origins[0] if len(origins) == 1 else f"{origins[0]} and {len(origins) - 1} more"
    frames = sum(len(stack.frames) for stack in stacks)
    many = f"all {len(stacks)} threads' stacks" if len(stacks) > 1 else "the stack"
    return (
        f"Names and source lines are those that {stacks[0].backend} {stacks[0].version} gave {of}, in the "
        f"same image: {many} ({frames} frames) lead through the same offsets of the same files by build id. "
        "Addresses, registers and everything else were read from this core."
    )
