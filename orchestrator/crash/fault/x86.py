"""Checks the trap in an x86-64 signal frame against the interrupted instruction.

The kernel keeps a thread's last trap and its address, even over fork and execve, and stores them in the frame
of every later signal. Without a siginfo that confirms the trap, the instruction decides: one that cannot have
accessed the address was interrupted by a signal that was sent.
"""

import signal
import struct
from collections.abc import Mapping
from typing import Final

from orchestrator.binary.disasm import LONGEST, Instruction, instruction_at
from orchestrator.crash.fault.siginfo import Fault
from orchestrator.crash.memory import ProcessMemory
from orchestrator.model import Arch

_CONTEXT: Final = struct.Struct("<40x17Q24xQ8xQ")
"""From the ucontext on: registers, trapno, cr2 (arch/x86/include/uapi/asm/sigcontext.h)."""
_NAMES: Final = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx",
    "rsp", "rip",
)  # fmt: skip
_PAGE_FAULT: Final = 14
_WIDEST: Final = 64
"""Bytes that one operand has at most; an access over the end of a page faults at the next one's start."""
_SYSCALL: Final = b"\x0f\x05"
_PLAIN: Final = frozenset({
    "mov", "movabs", "movzx", "movsx", "movsxd", "lea", "cmp", "test", "add", "sub", "and", "or", "xor",
    "neg", "not", "inc", "dec", "shl", "shr", "sar", "imul", "jmp", "ja", "jae", "jb", "jbe", "je", "jne",
    "jg", "jge", "jl", "jle", "js", "jns", "nop", "syscall",
})  # fmt: skip
"""Instructions that access no memory but their named operand; all others are left undecided."""


def is_stale(memory: ProcessMemory, stack: int) -> bool:
    """Whether the trap in the frame at `stack` is certainly an older one; False in doubt."""
    read = _context(memory, stack)
    if read is None:
        return False
    registers, trap, address = read
    here = _instruction(memory, registers)
    if here is None or 0 <= address - registers["rip"] < LONGEST:
        return False  # The code is unknown, or fetching it failed.
    if here.mnemonic not in _PLAIN:
        return False
    if trap != _PAGE_FAULT:
        return "[" not in here.text and _follows_call(memory, registers)
    return not _can_touch(here, address)


def divided(memory: ProcessMemory, stack: int) -> Fault | None:
    """The division that failed, for a frame of SIGFPE without siginfo.

    Its trap has number 0, as has a thread that never had one, so the instruction must show it.
    """
    read = _context(memory, stack)
    here = _instruction(memory, read[0]) if read and read[1] == 0 else None
    if read is None or here is None or here.mnemonic not in ("div", "idiv"):
        return None
    return Fault(number=signal.SIGFPE, code="FPE_INTDIV", address=read[0]["rip"], derived=True)


def _can_touch(here: Instruction, address: int) -> bool:
    """Whether an instruction's operand may have the address; True if the operand's address is unknown."""
    used = [operand.address for operand in here.operands if operand.address is not None]
    if not used:
        return "[" in here.text and here.mnemonic not in ("lea", "nop")
    return any(0 <= address - start < _WIDEST for start in used)


def _follows_call(memory: ProcessMemory, registers: Mapping[str, int]) -> bool:
    """Whether a system call has just returned: the CPU leaves the next instruction's address in rcx."""
    pc = registers["rip"]
    return registers["rcx"] == pc and memory.read(pc - len(_SYSCALL), len(_SYSCALL)) == _SYSCALL


def _context(memory: ProcessMemory, stack: int) -> tuple[Mapping[str, int], int, int] | None:
    """Registers, trap and its address from the frame at `stack`."""
    raw = memory.core.read(stack, _CONTEXT.size)
    if memory.core.arch is not Arch.X86_64 or len(raw) < _CONTEXT.size:
        return None
    *general, trap, address = _CONTEXT.unpack(raw)
    return dict(zip(_NAMES, general, strict=True)), trap, address


def _instruction(memory: ProcessMemory, registers: Mapping[str, int]) -> Instruction | None:
    return instruction_at(Arch.X86_64, registers["rip"], registers, memory.read)
