"""Stacks without a debugger: from frame to frame by call frame information.

Where code has none (a wild jump, a hand-written function, a missing file) the caller is searched for: by the
return address that a call has just stored, by the instructions of the function that a call on the stack is
of (calls.py), by the frame pointer, and last by a scan of the stack for addresses after a call. Frames found
by a frame pointer or a scan are marked, since they may be stale.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.binary.dwarf.cfi import Unwinding
from orchestrator.binary.dwarf.cfi_program import CfiError, Row, Rule
from orchestrator.binary.dwarf.expression import MASK, ExpressionError, StackMachine
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.calls import Calls
from orchestrator.crash.stacks.elf.signal_frames import SignalFrames
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES, Registers
from orchestrator.crash.stacks.unwind_tables import UnwindTables

MAX_FRAMES: Final = 256
"""Frames of a thread that are read, innermost first."""
MAX_SCAN: Final = 4096
"""Words of the stack that are scanned for one return address."""
MAX_GUESSES: Final = 32
"""Frames of a thread that may be found by a guess; more are noise."""
MAX_SECONDS: Final = 20.0
"""Processor time for all threads of a core; 171 threads with 2,400 frames take 0.2."""
_WORD: Final = 8


@dataclass(frozen=True, kw_only=True)
class Step:
    """A frame: its registers (the caller-saved ones only where the kernel saved them), and how it was found.

    `interrupted`: pc is the instruction that was about to run, not the one after a call.
    """

    pc: int
    sp: int
    registers: Registers = field(repr=False)
    interrupted: bool = False
    trampoline: bool = False
    scanned: bool = False


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The frames of a thread; `stopped` says why they end before the thread's own beginning."""

    steps: tuple[Step, ...]
    stopped: str | None = None


class _StoppedError(Exception):
    """The stack cannot be unwound further; never leaves this module."""


class Unwinder:
    """Unwinds the threads of one core."""

    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory
        self._machine = UNWIND_ARCHES[memory.core.arch]
        self._tables = UnwindTables(memory)
        self._calls = Calls(memory, self._machine)
        self._known: dict[int, Unwinding | None] = {}
        self._deadline = time.thread_time() + MAX_SECONDS

    def walk(self, registers: Registers) -> Stack:
        """The stack of a thread with these registers."""
        steps: list[Step] = []
        step: Step | None = self._step(registers, interrupted=True)
        guesses = 0
        signal_frame: int | None = None
        while step is not None:
            steps.append(step)
            guesses += step.scanned
            if len(steps) == MAX_FRAMES or guesses > MAX_GUESSES:
                why = f"only its {len(steps)} innermost frames were read"
                return Stack(steps=tuple(steps), stopped=why)
            if time.thread_time() > self._deadline:
                return Stack(steps=tuple(steps), stopped=f"reading took over {MAX_SECONDS:.0f} s")
            try:
                outer, stopped = self._caller(step), None
            except _StoppedError as error:
                outer, stopped = None, str(error)
            if step.trampoline:
                signal_frame = None
            elif signal_frame is None and (stopped or (outer and outer.scanned)):
                signal_frame = self._next_signal_frame(steps)
            if signal_frame is not None and (outer is None or outer.sp > signal_frame):
                outer, stopped = self._trampoline(step, signal_frame), None
            if stopped:
                return Stack(steps=tuple(steps), stopped=stopped)
            step = outer
        return Stack(steps=tuple(steps))

    def _next_signal_frame(self, steps: Sequence[Step]) -> int | None:
        """The next signal frame outwards, to which guesses must lead."""
        outer = next((step.sp for step in reversed(steps) if step.trampoline), None)
        return SignalFrames(self._memory).find(steps[-1].sp, outer)

    def _trampoline(self, step: Step, place: int) -> Step:
        """The trampoline of the signal frame at `place`."""
        machine = self._machine
        target = self._memory.word(place - _WORD) or 0
        return self._step({**step.registers, machine.sp: place, machine.pc: target})

    def _step(self, registers: Registers, *, interrupted: bool = False, scanned: bool = False) -> Step:
        machine = self._machine
        pc = registers.get(machine.pc, 0) & machine.address_bits
        code = self._memory.read(pc, max(map(len, machine.trampolines)))
        return Step(
            pc=pc, sp=registers.get(machine.sp, 0), registers={**registers, machine.pc: pc},
            interrupted=interrupted, scanned=scanned,
            trampoline=code.startswith(machine.trampolines),
        )  # fmt: skip

    def _caller(self, step: Step) -> Step | None:
        """The next frame outwards; None at the thread's beginning. Raises _StoppedError."""
        if step.trampoline:
            return self._interrupted(step)
        try:
            unwinding = self._unwinding(step.pc if step.interrupted else step.pc - 1)
            if unwinding is None:
                return self._look(step)
            registers = self._restore(step, unwinding)
        except (CfiError, ExpressionError) as error:
            raise _StoppedError(str(error)) from error
        return None if registers is None else self._checked(step, self._step(registers))

    def _interrupted(self, step: Step) -> Step:
        """The code that a signal interrupted, by the registers that the kernel saved."""
        machine = self._machine
        raw = self._memory.read(step.sp + machine.context_at, _WORD * len(machine.context))
        registers = machine.interrupted(raw)
        if registers is None:
            raise _StoppedError("the registers that the kernel saved for a signal are not in the core")
        return self._step(registers, interrupted=True)

    def _unwinding(self, address: int) -> Unwinding | None:
        if address not in self._known:
            self._known[address] = self._tables.at(address)
        return self._known[address]

    def _restore(self, step: Step, unwinding: Unwinding) -> Registers | None:
        """The caller's registers; None where there is no caller. Raises _StoppedError, ExpressionError."""
        row, column = unwinding.row, unwinding.return_register
        cfa = self._frame_address(step, row)
        registers = dict(step.registers)
        for number, rule in row.rules.items():
            value = self._apply(rule, number, cfa, step)
            if value is None:
                registers.pop(number, None)
            else:
                registers[number] = value
        if row.rules.get(column, Rule("same")).kind == "undefined":
            return None
        if column not in registers or (column == self._machine.pc and column not in row.rules):
            raise _StoppedError(f"the stack at {cfa:#x} is not in the core")
        registers[self._machine.pc] = registers[column]
        registers[self._machine.sp] = cfa
        return registers if registers[column] else None

    def _frame_address(self, step: Step, row: Row) -> int:
        if row.expression is not None:
            return StackMachine(row.expression, step.registers, self._memory.word).evaluate()
        if row.register not in step.registers:
            raise _StoppedError("cannot compute the caller's frame: a required register is unknown")
        return (step.registers[row.register] + row.offset) & MASK

    def _apply(self, rule: Rule, number: int, cfa: int, step: Step) -> int | None:
        read, registers = self._memory.word, step.registers
        if rule.kind in ("same", "register"):
            return registers.get(number if rule.kind == "same" else rule.value)
        if rule.kind == "undefined":
            return None
        expression = StackMachine(rule.code, registers, read) if rule.code else None
        value = expression.evaluate(cfa) if expression else (cfa + rule.value) & MASK
        return value if rule.kind.startswith("val_") else read(value)

    def _checked(self, step: Step, caller: Step) -> Step:
        """The caller; raises _StoppedError if its frame does not lie above, since stacks grow downwards."""
        inwards = caller.sp < step.sp or (caller.sp == step.sp and not step.interrupted)
        if inwards or (caller.sp == step.sp and caller.pc == step.pc):
            raise _StoppedError(f"the caller of the frame at {step.pc:#x} does not lie above it")
        return caller

    def _look(self, step: Step) -> Step | None:
        """The caller of code that has no call frame information."""
        if step.interrupted and not self._memory.is_code(step.pc) and (caller := self._after_call(step)):
            return caller
        return self._by_call(step) or self._by_frame_pointer(step) or self._by_scan(step)

    def _by_call(self, step: Step) -> Step | None:
        """The caller by the call of this very function, where its instructions lead to that place."""
        registers = self._calls.caller(step.pc, step.registers)
        return None if registers is None else self._step(registers)

    def _after_call(self, step: Step) -> Step | None:
        """The caller of a wild jump: nothing ran since the call, so the return address is still in place."""
        machine = self._machine
        registers = dict(step.registers)
        if machine.link is None:
            target = self._memory.word(step.sp)
            registers[machine.sp] = step.sp + _WORD
        else:
            target = registers.get(machine.link)
        if target is None or not self._returns_to(target & machine.address_bits):
            return None
        return self._step({**registers, machine.pc: target})

    def _by_frame_pointer(self, step: Step) -> Step | None:
        machine = self._machine
        pointer = step.registers.get(machine.frame_pointer, 0)
        if not step.sp <= pointer < step.sp + MAX_SCAN * _WORD or pointer % _WORD:
            return None
        outer, target = self._memory.word(pointer), self._memory.word(pointer + _WORD)
        if outer is None or target is None or not self._returns_to(target & machine.address_bits):
            return None
        registers = {machine.frame_pointer: outer, machine.sp: pointer + 2 * _WORD, machine.pc: target}
        return self._step({**step.registers, **registers}, scanned=True)

    def _by_scan(self, step: Step) -> Step | None:
        machine = self._machine
        begin = (step.sp + _WORD - 1) // _WORD * _WORD
        held = self._memory.core.read(begin, MAX_SCAN * _WORD)
        if not held:
            raise _StoppedError(f"its stack at {step.sp:#x} is not in the core")
        for place in range(0, len(held) - _WORD + 1, _WORD):
            target = int.from_bytes(held[place : place + _WORD], "little") & machine.address_bits
            if self._returns_to(target):
                known = {machine.sp: begin + place + _WORD, machine.pc: target}
                return self._step({**step.registers, **known}, scanned=True)
        raise _StoppedError("no further return address was found on the stack")

    def _returns_to(self, address: int) -> bool:
        """Whether an address follows a call."""
        if not self._memory.is_code(address):
            return False
        before = self._memory.read(address - 8, 8)
        return len(before) == 8 and self._machine.is_call(before)
