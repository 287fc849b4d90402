"""The backend `elf`: stacks and names without any debugger, from the core and the sysroot's files."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.crash.machine import MACHINES
from orchestrator.crash.memory import LoadedObject, ProcessMemory
from orchestrator.crash.reading import Frame, Reading, ThreadReading
from orchestrator.crash.unwind import Stack, Step, Unwinder
from orchestrator.errors import ToolError
from orchestrator.tools.core import Core
from orchestrator.tools.demangle import demangle
from orchestrator.tools.lines import Line, find_lines
from orchestrator.tools.objectfile import ObjectFile, Symbol

NAME: Final = "elf"
VERSION: Final = "1"
MAIN = "main"
MAX_SECONDS: Final = 10.0
"""For all lines of a core; what is not found by then goes without."""


@dataclass(frozen=True, kw_only=True)
class _Name:
    """A symbol where it was loaded; `ends_before`: the frame lies behind it, in code without a symbol."""

    function: str
    start: int
    exact: bool
    ends_before: bool


def read_stacks(path: Path, core: Core, root: Path) -> Reading:  # noqa: ARG001 - the backends' common shape
    """The backend `elf`; raises ToolError where the core names no thread."""
    if not core.threads:
        raise ToolError("the core has no readable thread", mend="its notes are damaged")
    memory = ProcessMemory(core, root)
    unwinder, machine = Unwinder(memory), MACHINES[core.arch]
    stacks = [unwinder.walk(machine.numbered(thread.registers)) for thread in core.threads]
    names = _Names(memory, (step for stack in stacks for step in stack.steps))
    threads = tuple(
        _thread(thread.tid, stack, names, crashed=number == 0)
        for number, (thread, stack) in enumerate(zip(core.threads, stacks, strict=True))
    )
    warnings = [
        line
        for thread, stack in zip(core.threads, stacks, strict=True)
        for line in _doubts(thread.tid, stack)
    ]
    return Reading(
        backend=NAME, version=VERSION, threads=threads, warnings=(*dict.fromkeys(memory.problems), *warnings)
    )


class _Names:
    """Symbols of all frames; each table is read once, for all addresses that lie in its object."""

    def __init__(self, memory: ProcessMemory, steps: Iterable[Step]) -> None:
        self._memory = memory
        self._machine = MACHINES[memory.core.arch]
        self._symbols: dict[int, tuple[Symbol, int]] = {}
        self._lines: dict[int, Line] = {}
        self._deadline = time.monotonic() + MAX_SECONDS
        wanted: dict[int, tuple[LoadedObject, set[int]]] = {}
        for step in steps:
            address = _meant(step)
            if loaded := memory.object_at(address):
                wanted.setdefault(id(loaded), (loaded, set()))[1].add(address - loaded.bias)
        for loaded, addresses in wanted.values():
            self._read(loaded, addresses)

    def of(self, step: Step) -> _Name | None:
        """The function that a frame is in, or the nearest one before; data has none, whatever its symbols."""
        found = self._symbols.get(_meant(step))
        if found is None or not found[0].name or not self._memory.is_code(_meant(step)):
            return None
        symbol, bias = found
        return _Name(
            function=demangle(symbol.name),
            start=symbol.start + bias,
            exact=symbol.covering and symbol.size > 0,
            ends_before=not symbol.covering and symbol.size > 0,
        )

    def line(self, step: Step) -> Line | None:
        """Where in the source a frame is; None without debug information."""
        return self._lines.get(_meant(step))

    def registers(self, step: Step) -> dict[str, int]:
        """The registers of a frame by name."""
        return self._machine.named(step.registers)

    def is_program(self, step: Step) -> bool:
        """Whether a frame lies in the executable."""
        program = self._memory.core.executable
        return program is not None and self._memory.core.module_at(step.pc) == program

    def _read(self, loaded: LoadedObject, addresses: set[int]) -> None:
        sources: list[ObjectFile] = [loaded.source]
        if loaded.build_id and (debug := self._memory.debug_object(loaded.build_id)):
            sources.insert(0, debug)
        for source in reversed(sources):
            found = find_lines(source, addresses, self._deadline)
            self._lines |= {address + loaded.bias: line for address, line in found.items()}
            for address, symbol in source.find_symbols(addresses).items():
                known = self._symbols.get(address + loaded.bias)
                if known is None or symbol.covering or not known[0].covering:
                    self._symbols[address + loaded.bias] = (symbol, loaded.bias)


def _thread(tid: int, stack: Stack, names: _Names, *, crashed: bool) -> ThreadReading:
    frames: list[Frame] = []
    for step in stack.steps:
        frame = _frame(step, names.of(step), names.line(step))
        frames.append(frame)
        if frame.function == MAIN and names.is_program(step):
            break  # What called main is the same in every program, and debuggers leave it out as well.
    wanted = {number: step for number, step in enumerate(stack.steps) if crashed and step.interrupted}
    registers = {number: names.registers(step) for number, step in wanted.items()}
    return ThreadReading(tid=tid, crashed=crashed, frames=tuple(frames), registers=registers)


def _frame(step: Step, name: _Name | None, line: Line | None) -> Frame:
    nearest = name if name and name.ends_before else None
    named = name if name and not name.ends_before else None
    return Frame(
        pc=step.pc,
        sp=step.sp,
        function=named.function if named else None,
        start=named.start if named else None,
        exact=bool(named and named.exact),
        file=line.file if line else None,
        line=line.line if line else None,
        trampoline=step.trampoline,
        scanned=step.scanned,
        nearest=f"{nearest.function}+{step.pc - nearest.start:#x}" if nearest else None,
    )


def _meant(step: Step) -> int:
    """The instruction that a frame is at: a return address is one behind it, maybe in the next function."""
    return step.pc if step.interrupted or step.trampoline else step.pc - 1


def _doubts(tid: int, stack: Stack) -> list[str]:
    doubts = [f"thread {tid}: its stack ends early ({stack.stopped})"] if stack.stopped else []
    scanned = sum(step.scanned for step in stack.steps)
    if scanned:
        doubts.append(f"thread {tid}: {scanned} of its frames were found by a scan and may be leftovers")
    return doubts
