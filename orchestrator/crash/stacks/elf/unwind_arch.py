"""What unwinding needs of each architecture: registers, signal frames, calls."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.model import Arch

Registers = dict[int, int]
"""Values by DWARF number; unknown registers are left out."""

_X86_NAMES: Final = (
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", *[""] * 32, "eflags",
)  # fmt: skip
"""In the order of the x86-64 psABI's DWARF numbers; 16 is the return address, 49 the flags."""
_X86_CONTEXT: Final = (8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16, 49)
"""The registers of struct sigcontext in its order, as DWARF numbers (asm/sigcontext.h)."""
_X86_CONTEXT_AT: Final = 40
"""From the stack pointer in the trampoline, which is at the ucontext, to its uc_mcontext."""
_ARM_NAMES: Final = (*(f"x{number}" for number in range(31)), "sp", "pc")
"""In the order of the AArch64 ABI's DWARF numbers; 32 is the pc."""
_ARM_CONTEXT_AT: Final = 128 + 176 + 8
"""From the stack pointer to sigcontext.regs: siginfo, ucontext up to it, the fault address."""
_ARM_ADDRESS: Final = (1 << 48) - 1
"""Bits of an address of the process; pointer authentication signs with those above."""
_LONGEST_CALL: Final = 7
_SIGINFO: Final = struct.Struct("<iii")
"""si_signo, si_errno, si_code."""


@dataclass(frozen=True, kw_only=True)
class UnwindArch:
    """One architecture; registers are DWARF numbers.

    `trampolines` are the bytes of the code that a signal handler returns to (rt_sigreturn), by which
    debuggers and libgcc recognise it too. `context` are the registers in the order in which the kernel saves
    them, `context_at` bytes above the stack pointer there, the siginfo_t is `siginfo_at` bytes above it.
    `link` is the register with the return address of a function that has just been called; None where the
    return address is on the stack.
    """

    names: tuple[str, ...]
    pc: int
    sp: int
    frame_pointer: int
    link: int | None
    trampolines: tuple[bytes, ...]
    context: tuple[int, ...]
    context_at: int
    siginfo_at: int
    is_call: Callable[[bytes], bool]
    address_bits: int

    def numbered(self, registers: Mapping[str, int]) -> Registers:
        """Registers by number, from those by name."""
        return {number: registers[name] for number, name in enumerate(self.names) if name in registers}

    def named(self, registers: Registers) -> dict[str, int]:
        """Registers by name, from those by number."""
        return {self.names[number]: value for number, value in sorted(registers.items())}

    def siginfo(self, sp: int) -> tuple[int, int]:
        """Where a signal frame has its siginfo_t, and how many of its bytes tell whether it was sent."""
        return sp + self.siginfo_at, _SIGINFO.size

    @staticmethod
    def is_fault(siginfo: bytes) -> bool:
        """Whether a siginfo_t is of a fault: the kernel's si_code is positive (sigaction(2))."""
        return len(siginfo) >= _SIGINFO.size and _SIGINFO.unpack_from(siginfo)[2] > 0

    def interrupted(self, raw: bytes) -> Registers | None:
        """Registers from the bytes of a signal frame's context; None if these are incomplete."""
        size = 8 * len(self.context)
        if len(raw) < size:
            return None
        return dict(zip(self.context, struct.unpack_from(f"<{len(self.context)}Q", raw), strict=True))


def _is_x86_call(before: bytes) -> bool:
    """Whether the bytes before an address end with a call: relative, or through register or memory."""
    if before[-5:-4] == b"\xe8":
        return True
    return any(
        before[-size] == 0xFF and before[1 - size] >> 3 & 7 == 2
        for size in range(2, _LONGEST_CALL + 1)
        if len(before) >= size
    )


def _is_arm_call(before: bytes) -> bool:
    """Whether the instruction before an address is bl, blr, or blr with pointer authentication."""
    word = int.from_bytes(before[-4:], "little")
    return len(before) >= 4 and (word & 0xFC000000 == 0x94000000 or word & 0xFEFFF000 == 0xD63F0000)


UNWIND_ARCHES: Final[Mapping[Arch, UnwindArch]] = {
    Arch.X86_64: UnwindArch(
        names=_X86_NAMES, pc=16, sp=7, frame_pointer=6, link=None,
        trampolines=(bytes.fromhex("48c7c00f0000000f05"), bytes.fromhex("b80f0000000f05")),
        context=_X86_CONTEXT, context_at=_X86_CONTEXT_AT, siginfo_at=0x130, is_call=_is_x86_call,
        address_bits=(1 << 64) - 1,
    ),
    Arch.ARM64: UnwindArch(
        names=_ARM_NAMES, pc=32, sp=31, frame_pointer=29, link=30,
        trampolines=(bytes.fromhex("681180d2010000d4"),),
        context=tuple(range(33)), context_at=_ARM_CONTEXT_AT, siginfo_at=0, is_call=_is_arm_call,
        address_bits=_ARM_ADDRESS,
    ),
}  # fmt: skip
