"""Reads siginfo_t, and the fault that a signal handler on the stack was called for."""

import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.elf.headers import Segment
from orchestrator.model import Arch, Sender

FAULTS: Final = {
    signal.SIGILL: ("ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG",
                    "ILL_COPROC", "ILL_BADSTK"),
    signal.SIGTRAP: ("TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"),
    signal.SIGBUS: ("BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"),
    signal.SIGFPE: ("FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES",
                    "FPE_FLTINV", "FPE_FLTSUB"),
    signal.SIGSEGV: ("SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR", "SEGV_ACCADI",
                     "SEGV_ADIDERR", "SEGV_ADIPERR", "SEGV_MTEAERR", "SEGV_MTESERR", "SEGV_CPERR"),
}  # fmt: skip
"""Signals that the CPU causes, with the names of si_code from 1 on (include/uapi/asm-generic/siginfo.h)."""
_SYS: Final = {1: "SYS_SECCOMP", 2: "SYS_USER_DISPATCH"}
"""si_code of SIGSYS; what lies at the fault address then is the place of the call."""
_SENT: Final = {0: "SI_USER", 0x80: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -6: "SI_TKILL"}
_WITH_SENDER: Final = frozenset({0, -1, -6})
"""Of kill, sigqueue and tgkill the kernel notes who sent it (sigaction(2))."""
_SIGINFO: Final = struct.Struct("<iii4xQ")
"""si_signo, si_errno, si_code, and the address or, for a signal that was sent, pid and uid."""
_LAST_SIGNAL: Final = 64

_X86_FRAME: Final = struct.Struct("<168x8x16xQQQQ")
"""From the ucontext on: err, trapno, oldmask, cr2 (arch/x86/include/uapi/asm/sigcontext.h)."""
_X86_SIGINFO_AT: Final = 0x130
"""struct rt_sigframe of arch/x86/include/asm/sigframe.h: siginfo_t follows the ucontext, at which the
stack pointer is in the trampoline, since the return address before it is popped. Verified on cores."""
_X86_TRAPS: Final = {
    1: signal.SIGTRAP, 3: signal.SIGTRAP, 4: signal.SIGSEGV, 5: signal.SIGSEGV, 6: signal.SIGILL,
    11: signal.SIGBUS, 12: signal.SIGBUS, 13: signal.SIGSEGV, 14: signal.SIGSEGV, 16: signal.SIGFPE,
    17: signal.SIGBUS, 19: signal.SIGFPE,
}  # fmt: skip
"""Trap numbers to signals (arch/x86/kernel/traps.c). 0 is a division error, but also no trap at all."""
_PAGE_FAULT: Final = 14
_PRESENT, _WRITE, _FETCH = 1, 2, 16
"""Bits of a page fault's error code (arch/x86/include/asm/trap_pf.h)."""

_ARM_SIGINFO_AT: Final = 0
_ARM_FAULT_ADDRESS: Final = struct.Struct("<Q")
ARM_CONTEXT_AT: Final = 128 + 176
"""struct rt_sigframe of arch/arm64/kernel/signal.c: siginfo_t at the stack pointer, then the ucontext,
whose sigcontext begins with the fault address. Seen so on cores of qemu-user 7.2."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A signal as the kernel reported it; `address` is None if the signal has none."""

    number: int
    code: str | None
    address: int | None
    sender: Sender | None = None
    derived: bool = False
    """Derived from the interrupted context, since the kernel stored no siginfo_t on the stack."""

    @property
    def name(self) -> str:
        """The signal's name, for example SIGSEGV."""
        return signal_name(self.number)


def signal_name(number: int) -> str:
    """A signal's name; real-time signals by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def parse_siginfo(raw: bytes | None) -> Fault | None:
    """Parse a siginfo_t; None if its content is impossible."""
    if raw is None or len(raw) < _SIGINFO.size:
        return None
    number, _, code, address = _SIGINFO.unpack_from(raw)
    if not 1 <= number <= _LAST_SIGNAL:
        return None
    names = next((codes for item, codes in FAULTS.items() if item == number), ())
    others = _SENT | _SYS if number == signal.SIGSYS else _SENT
    named = names[code - 1] if 0 < code <= len(names) else others.get(code, str(code))
    if 0 < code <= len(names):
        return Fault(number=number, code=named, address=address)
    sender = Sender(pid=address & 0xFFFFFFFF, uid=address >> 32) if code in _WITH_SENDER else None
    return Fault(number=number, code=named, address=None, sender=sender)


def was_requested(core: Core, fault: Fault) -> bool:
    """Whether another process had this one dump its core, as one does with a process that hangs.

    Only siginfo says so, which qemu-user's cores lack. A core of SIGSTOP is one that gcore(1) wrote.
    """
    if fault.number == signal.SIGSTOP:
        return True
    own = core.process_id
    sent = fault.sender is not None and fault.code == "SI_USER" and fault.sender.pid != own
    return sent and own is not None and fault.number in (signal.SIGABRT, signal.SIGQUIT)


def handled_fault(core: Core, stack: int) -> Fault | None:
    """The fault that a handler was called for, from the kernel's signal frame at `stack`.

    None if the signal was no fault (SIGTERM, for example) or is unknown, and for a 32-bit process. The kernel
    fills in siginfo_t only for handlers with SA_SIGINFO; otherwise the memory holds an older frame's. It is
    therefore used only if the context beside it agrees.
    """
    reader = _READERS.get(core.arch)
    return reader(core, stack) if reader else None


def _x86_fault(core: Core, stack: int) -> Fault | None:
    raw = core.read(stack, _X86_FRAME.size)
    if len(raw) < _X86_FRAME.size:
        return None
    error, trap, _, address = _X86_FRAME.unpack(raw)
    told = parse_siginfo(core.read(stack + _X86_SIGINFO_AT, _SIGINFO.size))
    if told and told.number in FAULTS and _agrees(told, trap, address):
        return told
    if trap not in _X86_TRAPS:
        return None
    if trap != _PAGE_FAULT:
        return Fault(number=_X86_TRAPS[trap], code=None, address=None, derived=True)
    return _page_fault(_segment_at(core, address), error, address)


def _agrees(told: Fault, trap: int, address: int) -> bool:
    """Whether a siginfo_t matches the trap in the context."""
    if trap == _PAGE_FAULT:
        return told.number in (signal.SIGSEGV, signal.SIGBUS) and told.address == address
    if trap == 0:
        return told.code == "FPE_INTDIV"
    return told.number == _X86_TRAPS.get(trap)


def _page_fault(segment: Segment | None, error: int, address: int) -> Fault:
    """The signal that the kernel sends for a page fault (arch/x86/mm/fault.c)."""
    needed = 1 if error & _FETCH else 2 if error & _WRITE else 4
    number, code = signal.SIGSEGV, "SEGV_ACCERR"
    if segment is None:
        code = "SEGV_MAPERR"
    elif not error & _PRESENT and segment.flags & needed:
        number, code = signal.SIGBUS, "BUS_ADRERR"
    return Fault(number=number, code=code, address=address, derived=True)


def _segment_at(core: Core, address: int) -> Segment | None:
    return next((s for s in core.loads if s.start <= address < s.start + s.size), None)


def _arm_fault(core: Core, stack: int) -> Fault | None:
    told = parse_siginfo(core.read(stack + _ARM_SIGINFO_AT, _SIGINFO.size))
    raw = core.read(stack + ARM_CONTEXT_AT, _ARM_FAULT_ADDRESS.size)
    if not told or told.number not in FAULTS or len(raw) < _ARM_FAULT_ADDRESS.size:
        return None
    return told if told.address == _ARM_FAULT_ADDRESS.unpack(raw)[0] else None


_READERS: Final[dict[Arch, Callable[[Core, int], Fault | None]]] = {
    Arch.X86_64: _x86_fault,
    Arch.ARM64: _arm_fault,
}
