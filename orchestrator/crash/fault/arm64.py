"""Derives the memory fault of arm64 code that has no siginfo.

qemu-user's cores have none: there the current instruction of a thread gives the fault, with the registers and
the mappings. Nor has a signal frame whose handler was installed without SA_SIGINFO, as uWSGI's is: it holds
no signal number, only the registers of the interrupted code and the fault address of struct sigcontext, which
is stale if the signal was no fault (both seen on qemu-user 7.2). So the address is used only if the
interrupted instruction was about to access it.
"""

import signal
import struct
from collections.abc import Mapping
from typing import Final

from orchestrator.binary.disasm import Operand, disassemble
from orchestrator.binary.elf.headers import PF_X, Segment
from orchestrator.crash.fault.siginfo import ARM_CONTEXT_AT, Fault
from orchestrator.crash.memory import ProcessMemory
from orchestrator.model import Arch

_CONTEXT: Final = struct.Struct("<Q31QQQ")
"""fault_address, regs, sp, pc (arch/arm64/include/uapi/asm/sigcontext.h)."""
_READ, _WRITE = 4, 2


def worked_out(memory: ProcessMemory, stack: int) -> Fault | None:
    """The memory fault of the signal frame at `stack`; None if it cannot be derived."""
    raw = memory.core.read(stack + ARM_CONTEXT_AT, _CONTEXT.size)
    if memory.core.arch is not Arch.ARM64 or len(raw) < _CONTEXT.size:
        return None
    address, *general, sp, pc = _CONTEXT.unpack(raw)
    registers = {f"x{number}": value for number, value in enumerate(general)} | {"sp": sp, "pc": pc}
    used = [operand for operand in _operands(memory, registers) if operand.address == address]
    code = _refused(memory, used[0]) if used else None
    return _fault(code, address) if code else None


def worked_out_at(memory: ProcessMemory, registers: Mapping[str, int]) -> Fault | None:
    """The memory fault at a thread's current instruction; None if there is none, or several are possible."""
    if memory.core.arch is not Arch.ARM64 or "pc" not in registers:
        return None
    code = _refusal(memory.core.segment_at(registers["pc"]), PF_X)
    if code:
        return _fault(code, registers["pc"])
    refused = {
        operand.address: code
        for operand in _operands(memory, registers)
        if operand.address is not None and (code := _refused(memory, operand))
    }
    (address, code), *others = refused.items() or [(None, None)]
    return _fault(code, address) if code and address is not None and not others else None


def _operands(memory: ProcessMemory, registers: Mapping[str, int]) -> list[Operand]:
    """The operands of the instruction at the pc."""
    around = disassemble(Arch.ARM64, registers["pc"], registers, memory.read)
    return [operand for item in around if item.current for operand in item.operands]


def _refused(memory: ProcessMemory, operand: Operand) -> str | None:
    segment = memory.core.segment_at(operand.address or 0)
    return _refusal(segment, _WRITE if operand.writes else _READ)


def _fault(code: str, address: int) -> Fault:
    return Fault(number=signal.SIGSEGV, code=code, address=address, derived=True)


def _refusal(segment: Segment | None, needed: int) -> str | None:
    """The code with which the kernel refuses an access; None if it may allow it."""
    if segment is None:
        return "SEGV_MAPERR"
    return None if segment.flags & needed else "SEGV_ACCERR"
