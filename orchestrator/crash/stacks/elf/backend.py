"""The backend `elf`: stacks and names without any debugger, from the core and the sysroot's files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.notes import ThreadState
from orchestrator.binary.demangle import demangle
from orchestrator.binary.dwarf.functions import Call
from orchestrator.binary.dwarf.naming import Language
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf import NAME, VERSION
from orchestrator.crash.stacks.elf.names import Names, meant
from orchestrator.crash.stacks.elf.registers import frame_registers
from orchestrator.crash.stacks.elf.tail_calls import TailCalls
from orchestrator.crash.stacks.elf.unwind import Stack, Step, Unwinder
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.crash.stacks.reading import MAIN, Frame, Reading, ThreadReading
from orchestrator.errors import ToolError
from orchestrator.model import Arch

_WRITTEN_OTHERWISE: Final = frozenset("<{$")
"""Characters of names of templates and closures, which each demangler writes in its own way."""


def read_stacks(path: Path, core: Core, root: Path) -> Reading:  # noqa: ARG001 - the backends' common shape
    """The backend `elf`; raises ToolError where the core names no thread."""
    if not core.threads:
        raise ToolError("the core has no readable thread", hint="its notes are damaged")
    if core.arch not in UNWIND_ARCHES:
        raise ToolError(f"stacks of {core.arch} are not unwound here", hint="gdb-multiarch reads them")
    memory = ProcessMemory(core, root)
    unwinder, machine = Unwinder(memory), UNWIND_ARCHES[core.arch]
    stacks = [unwinder.walk(machine.numbered(thread.registers)) for thread in core.threads]
    steps = [step for stack in stacks for step in stack.steps]
    names = Names(memory, steps)
    namer = _Namer(memory, names, TailCalls(memory, names))
    threads = tuple(
        namer.thread(thread, stack, crashed=number == 0)
        for number, (thread, stack) in enumerate(zip(core.threads, stacks, strict=True))
    )
    warnings = (
        *dict.fromkeys(memory.problems),
        *_split_away(namer.names.absent),
        *(line for thread in threads for line in thread.doubts),
    )
    return Reading(
        backend=NAME, version=VERSION, threads=threads, warnings=warnings,
        unsure=(*warnings, *namer.unsure(threads), *namer.unsure_names(steps)),
    )  # fmt: skip


def _split_away(absent: Sequence[PurePosixPath]) -> list[str]:
    """The warning that split debug information is not there, which the program leaves in files of its own."""
    if not absent:
        return []
    some = ", ".join(map(str, absent[:3])) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
    return [f"debug information that was split from the program is not there, or is of another build: {some}"]


def goes_first(core: Core) -> bool:
    """Whether every frame can be found on this architecture; on others, tail calls are not."""
    return core.arch is Arch.X86_64


@dataclass(frozen=True)
class _Namer:
    """Makes frames of steps, with those of inlined and tail calls, which have no stack."""

    memory: ProcessMemory
    names: Names
    tail_calls: TailCalls
    ambiguous: list[int] = field(default_factory=list)

    def thread(self, state: ThreadState, stack: Stack, *, crashed: bool) -> ThreadReading:
        """The frames of one thread, with the registers near a possible fault."""
        pairs: list[tuple[Frame, Step | None]] = []
        for step, outer in pairwise([*stack.steps, None]):
            if step is None:
                break
            pairs += [(frame, step) for frame in self._frames(step)]
            if pairs[-1][0].function == MAIN and self._is_program(step):
                # The callers of main are the same in every program; debuggers leave them out too.
                stack = Stack(steps=stack.steps[: stack.steps.index(step) + 1])
                break
            pairs += [(frame, None) for frame in self._passed(step, outer)]
        frames, steps = tuple(frame for frame, _ in pairs), [step for _, step in pairs]
        held = frame_registers(state, frames, steps, UNWIND_ARCHES[self.memory.core.arch]) if crashed else {}
        doubts = _doubts(state.tid, stack)
        return ThreadReading(tid=state.tid, crashed=crashed, frames=frames, registers=held, doubts=doubts)

    def unsure(self, threads: Sequence[ThreadReading]) -> Iterator[str]:
        """Why a debugger may know more, by frame."""
        if not goes_first(self.memory.core):
            yield "tail calls are not found on this architecture"
        if self.names.is_damaged:
            yield "some debug information could not be read"
        yield from (f"tail calls may be missing outside of {pc:#x}" for pc in self.ambiguous)
        for frame in (frame for thread in threads for frame in thread.frames if not frame.trampoline):
            if not self.memory.is_code(frame.pc) or self.memory.object_at(frame.pc) is None:
                yield f"{frame.pc:#x} is in no known file"
            elif not frame.function or not frame.exact:
                if frame.function:
                    yield f"{frame.pc:#x} is in a function whose name is not certain"
            elif frame.function.startswith("_Z") or _WRITTEN_OTHERWISE & set(frame.function):
                yield f"{frame.function} is written in more than one way"

    def unsure_names(self, steps: Iterable[Step]) -> Iterator[str]:
        """Why a debugger may know more, by name: its arguments, or another language's notation."""
        for address in {meant(step) for step in steps}:
            calls, name = self.names.calls(address), self.names.symbol(address)
            if any(call.language not in (Language.C, Language.CPP) for call in calls):
                yield f"{address:#x} is in code that is neither C nor C++"
            elif not calls and name and name.function != name.raw.partition("@")[0]:
                yield f"{name.function} has arguments that are left out"

    def _frames(self, step: Step) -> list[Frame]:
        """The frames of a step: of the calls inlined there, then its own."""
        calls = () if step.trampoline else self.names.calls(meant(step))
        return [_called(step, call) for call in calls] or [self._by_symbol(step)]

    def _by_symbol(self, step: Step) -> Frame:
        name = self.names.symbol(meant(step))
        named = name if name and not name.ends_before else None
        line = None if step.trampoline else self.names.line(meant(step))
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
            nearest=f"{name.function}+{step.pc - name.start:#x}" if name and not named else None,
        )

    def _passed(self, step: Step, outer: Step | None) -> list[Frame]:
        """Frames of tail calls between a step and the next one outwards."""
        entry = self.names.entry(meant(step))
        if outer is None or entry is None or step.trampoline or outer.interrupted or outer.scanned:
            return []
        jumps = self.tail_calls.between(entry, outer.pc)
        if jumps is None:
            self.ambiguous.append(step.pc)
            return []
        calls = [(behind, self.names.look_up(behind - 1)[:1]) for behind in jumps]
        return [
            Frame(
                pc=behind, function=demangle(call.name), start=call.entry, exact=True, tail_call=True,
                file=call.line.file if call.line else None, line=call.line.line if call.line else None,
            )
            for behind, found in calls
            for call in found
        ]  # fmt: skip

    def _is_program(self, step: Step) -> bool:
        """Whether a frame lies in the executable."""
        program = self.memory.core.executable
        return program is not None and self.memory.core.module_at(step.pc) == program


def _called(step: Step, call: Call) -> Frame:
    return Frame(
        pc=step.pc,
        sp=step.sp,
        function=demangle(call.name),
        start=None if call.inlined else call.entry,
        exact=True,
        file=call.line.file if call.line else None,
        line=call.line.line if call.line else None,
        inline=call.inlined,
        scanned=step.scanned,
    )


def _doubts(tid: int, stack: Stack) -> tuple[str, ...]:
    doubts = [f"thread {tid}: its stack ends early ({stack.stopped})"] if stack.stopped else []
    scanned = sum(step.scanned for step in stack.steps)
    if scanned:
        doubts.append(f"thread {tid}: {scanned} of its frames were found by a scan and may be leftovers")
    return tuple(doubts)
