"""The caller of a function without call frame information, by the call that made its frame (x86-64).

A return address on the stack follows a call, whose destination is the function's start. If the function's
instructions put its frame just below that return address, both agree, and the frame is no guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.disasm import MAX_FUNCTION
from orchestrator.binary.prologue import Frame, frame_at
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.unwind_arch import Registers, UnwindArch

MOST: Final = 1024
"""Words of the stack in which the call is looked for: a frame of 8 KiB."""
FUNCTIONS: Final = 16
"""Functions whose instructions are decoded for one frame; a stack that was made to lie may name many."""
_WORD: Final = 8
_CALL: Final = b"\xe8"
_CALL_BY_TABLE: Final = b"\xff\x15"
_STUBS: Final = (b"\xff\x25", b"\xf3\x0f\x1e\xfa\xff\x25", b"\xf3\x0f\x1e\xfa\xf2\xff\x25", b"\xf2\xff\x25")
"""How an entry of the procedure linkage table begins: a jump by the global offset table."""


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A call on the stack: where its return address lies, that address, and the function's start."""

    place: int
    returns_to: int
    start: int


@dataclass(frozen=True)
class Calls:
    """The calls on the stacks of a process."""

    memory: ProcessMemory
    machine: UnwindArch

    def caller(self, pc: int, registers: Mapping[int, int]) -> Registers | None:
        """The caller's registers; None where no call on the stack agrees with the function's instructions."""
        machine = self.machine
        sp = registers.get(machine.sp, 0)
        if machine.link is not None:
            return None
        held = self.memory.core.read(sp, MOST * _WORD) if sp % _WORD == 0 else b""
        frames: dict[int, Frame | None] = {}
        for at in range(0, len(held) - _WORD + 1, _WORD):
            call = self._call(sp + at, int.from_bytes(held[at : at + _WORD], "little"))
            if call is None or not 0 <= pc - call.start <= MAX_FUNCTION:
                continue
            if call.start not in frames:
                if len(frames) == FUNCTIONS:
                    return None
                frames[call.start] = frame_at(self.memory.read(call.start, pc - call.start), call.start, pc)
            if (frame := frames[call.start]) and (found := self._agreed(call, frame, registers)):
                return found
        return None

    def _call(self, place: int, returns_to: int) -> _Call | None:
        """The call that stored this word, if one did and its destination is known."""
        if not self.memory.is_code(returns_to):
            return None
        before = self.memory.read(returns_to - 6, 6)
        if len(before) != 6:
            return None
        distance = int.from_bytes(before[2:], "little", signed=True)
        if before[1:2] == _CALL:
            start: int | None = returns_to + distance
        elif before[:2] == _CALL_BY_TABLE:
            start = self.memory.word(returns_to + distance)
        else:
            return None
        start = None if start is None else self._behind_stub(start)
        return None if start is None else _Call(place=place, returns_to=returns_to, start=start)

    def _behind_stub(self, start: int) -> int | None:
        """The function that an entry of the procedure linkage table jumps to; any other address as it is."""
        code = self.memory.read(start, 16)
        stub = next((stub for stub in _STUBS if code.startswith(stub)), None)
        if stub is None or len(code) < len(stub) + 4:
            return start
        end = len(stub) + 4
        return self.memory.word(start + end + int.from_bytes(code[len(stub) : end], "little", signed=True))

    def _agreed(self, call: _Call, frame: Frame, registers: Mapping[int, int]) -> Registers | None:
        machine = self.machine
        entry = frame.entry(registers[machine.sp], registers.get(machine.frame_pointer))
        if entry is None or entry != call.place:
            return None
        numbers = {name: number for number, name in enumerate(machine.names) if name}
        restored = {
            numbers[name]: value
            for name, depth in frame.saved.items()
            if (value := self.memory.word(entry - depth)) is not None
        }
        return {**registers, **restored, machine.sp: entry + _WORD, machine.pc: call.returns_to}
