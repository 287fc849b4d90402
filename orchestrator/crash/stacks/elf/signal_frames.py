"""Finds the frames that the kernel made for signals, where nothing says how to unwind to them.

The handler of a fault may be code without call frame information, as Go's own code is, and end the process
by another signal. The frame that the kernel made for the fault has all registers as they were, so it need
not be unwound to: it is recognised by the address that a handler returns to, and by what it says itself.
"""

from typing import Final

from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES

MAX_SIZE: Final = 1 << 14
"""Bytes of a signal frame with all registers of a processor; those of AMX alone take 8 KiB."""
MAX_SEARCHED: Final = 1 << 15
"""Bytes of the stack that are searched: Go's stack for signals has that many."""
_WORD: Final = 8
_ALTERNATE: Final = (16, 32)
"""Where in a ucontext the alternate stack's address and size are (uc_stack.ss_sp, ss_size)."""


class SignalFrames:
    """Finds signal frames in one core."""

    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory
        self._machine = UNWIND_ARCHES[memory.core.arch]

    def find(self, inside: int, inner: int | None) -> int | None:
        """The stack pointer in the trampoline of the next signal frame outwards of the one `inside`.

        `inner`: as the result, of the last signal frame that the stack was unwound through. None where there
        is none; also where the last signal is a fault that the CPU raised: frames outwards of it are of
        handlers that have returned. On arm64 a signal frame does not have the trampoline's address.
        """
        machine = self._machine
        info = self._memory.core.siginfo if inner is None else self._memory.read(*machine.siginfo(inner))
        if machine.link is not None or not info or machine.is_fault(info):
            return None
        begin = (inside + _WORD - 1) // _WORD * _WORD
        held = self._memory.core.read(begin, MAX_SEARCHED)
        for place in range(0, len(held) - _WORD + 1, _WORD):
            behind = begin + place + _WORD
            address = int.from_bytes(held[place : place + _WORD], "little")
            if self._is_trampoline(address) and self._is_frame(behind, inside):
                return behind
        return None

    def _is_trampoline(self, address: int) -> bool:
        """Whether a signal handler returns to an address."""
        known = self._machine.trampolines
        longest = max(map(len, known))
        return self._memory.is_code(address) and self._memory.read(address, longest).startswith(known)

    def _is_frame(self, place: int, inside: int) -> bool:
        """Whether the kernel can have made the frame at `place`, on the stack that has `inside` on it.

        It lies just beneath what was interrupted on the same stack, or at the top of the alternate stack.
        """
        machine = self._machine
        held = self._memory.read(place, machine.context_at + _WORD * len(machine.context))
        registers = machine.interrupted(held[machine.context_at :])
        if registers is None:
            return False
        low, size = (int.from_bytes(held[at : at + _WORD], "little") for at in _ALTERNATE)
        sp, top = registers[machine.sp], low + size
        if low <= inside <= place < top and not low <= sp < top:
            return top - place < MAX_SIZE
        return place < sp < place + MAX_SIZE
