"""The fault of an arm64 signal frame whose handler was installed without SA_SIGINFO, as uWSGI's is.

The frame then tells no signal, only the registers of the interrupted code and the fault address of
struct sigcontext, which is stale where the signal was no fault (both seen on qemu-user 7.2). So the
address is believed only where the interrupted instruction was about to use just that address.
"""

import signal
import struct
from typing import Final

from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.signals import ARM_CONTEXT_AT, Fault
from orchestrator.model import Arch
from orchestrator.tools.core import Segment
from orchestrator.tools.disasm import disassemble

_CONTEXT: Final = struct.Struct("<Q31QQQ")
"""fault_address, regs, sp, pc (arch/arm64/include/uapi/asm/sigcontext.h)."""
_READ, _WRITE = 4, 2


def worked_out(memory: ProcessMemory, stack: int) -> Fault | None:
    """The memory fault that the frame at `stack` was laid for; None where it cannot be told."""
    raw = memory.core.read(stack + ARM_CONTEXT_AT, _CONTEXT.size)
    if memory.core.arch is not Arch.ARM64 or len(raw) < _CONTEXT.size:
        return None
    address, *general, sp, pc = _CONTEXT.unpack(raw)
    registers = {f"x{number}": value for number, value in enumerate(general)} | {"sp": sp, "pc": pc}
    around = disassemble(Arch.ARM64, pc, registers, memory.read)
    used = [operand for item in around if item.current for operand in item.operands]
    here = next((operand for operand in used if operand.address == address), None)
    if here is None:
        return None
    code = _refusal(memory.core.segment_at(address), _WRITE if here.writes else _READ)
    return Fault(number=signal.SIGSEGV, code=code, address=address, derived=True) if code else None


def _refusal(segment: Segment | None, needed: int) -> str | None:
    """Why the kernel refuses an access; None where nothing shows that it would."""
    if segment is None:
        return "SEGV_MAPERR"
    return None if segment.flags & needed else "SEGV_ACCERR"
