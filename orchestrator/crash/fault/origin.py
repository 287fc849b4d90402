"""Where the original fault happened: its signal, frame, registers, and the code around it.

Where a signal handler ended the process, the fault that it was called for is the crash, and the signal
that ended the process is only `delivered`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from signal import SIGFPE, SIGSEGV
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.disasm import Instruction as Decoded
from orchestrator.binary.disasm import disassemble, instruction_at
from orchestrator.crash.fault.arm64 import worked_out, worked_out_at
from orchestrator.crash.fault.explain import explain_fault
from orchestrator.crash.fault.heap import explain_abort
from orchestrator.crash.fault.overwritten import explain_overwritten
from orchestrator.crash.fault.siginfo import Fault, handled_fault, parse_siginfo
from orchestrator.crash.fault.x86 import divided, is_stale
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.reading import Frame, ThreadReading
from orchestrator.model import Arch, CrashSite, Instruction, NativeFrame, SignalInfo

_UNKNOWN: Final = Fault(number=0, code=None, address=None)


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A system call's machine code, and the registers that have its result and what may be a signal."""

    code: bytes
    result: str
    numbers: tuple[str, str]


_CALLS: Final = {
    Arch.X86_64: _Call(code=b"\x0f\x05", result="rax", numbers=("rsi", "rdx")),
    Arch.ARM64: _Call(code=b"\x01\x00\x00\xd4", result="x0", numbers=("x1", "x2")),
}
"""kill and rt_sigqueueinfo have the signal as their second argument, tgkill as its third."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The original fault, and the number of the crashed thread's frame that it happened in.

    `near` has the registers of that frame and of some outside of it, by number.
    """

    fault: Fault
    frame: int = 0
    delivered: Fault | None = None
    frames: tuple[Frame, ...] = ()
    near: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def signal(self) -> str:
        """The signal's name; `?` where none is known."""
        return self.fault.name if self.fault.number else "?"

    @property
    def registers(self) -> Mapping[str, int]:
        """The registers as they were at the fault."""
        return self.near.get(self.frame, {})


def find_site(memory: ProcessMemory, crashed: ThreadReading | None) -> Site:
    """The original fault: the innermost one that a handler on the crashed stack was called for.

    A handler may raise its signal once more, as faulthandler does for the one that it replaced. The
    kernel writes the thread's last trap into every signal frame, so all frames inside of the fault record
    it, and it happened just outside of the outermost of them.
    """
    core = memory.core
    delivered = parse_siginfo(core.siginfo) or _noted(core)
    if crashed is None:
        return Site(fault=delivered)
    frames = crashed.frames
    handlers = [number for number, frame in enumerate(frames[:-1]) if frame.trampoline]
    told = [(number, fault) for number in handlers if (fault := _told(memory, frames[number].sp, delivered))]
    if not told:
        return _untold(memory, crashed, delivered, handlers)
    _, last = told[0]
    *_, (number, fault) = takewhile(lambda item: _is_same(item[1], last), told)
    return _site(crashed, fault, number + 1, delivered, ())


def _untold(memory: ProcessMemory, crashed: ThreadReading, delivered: Fault, handlers: Sequence[int]) -> Site:
    """The site if no signal frame shows a fault: the outermost place that raised the signal itself.

    A handler of SIGABRT, as faulthandler's, gives its signal back its default action and raises it once
    more; the first raise is the origin.
    """
    raised = [number + 1 for number in handlers if _has_raised(memory, crashed, number + 1, delivered)]
    if raised:
        return _site(crashed, delivered, raised[-1], None, ())
    doubt = "a signal handler was running; no fault that it was called for can be told from its frame"
    # A handler that faults is at the faulting instruction; one that raises its signal is after a call.
    here = None if memory.core.siginfo else _noted_at(memory, delivered, crashed)
    return _site(crashed, here or delivered, 0, None, (doubt,) if handlers and not here else ())


def _has_raised(memory: ProcessMemory, crashed: ThreadReading, frame: int, delivered: Fault) -> bool:
    """Whether a frame that a signal interrupted had just sent the delivered one, as by tgkill or kill."""
    call = _CALLS.get(memory.core.arch)
    if call is None:
        return False
    pc, held = crashed.frames[frame].pc, crashed.registers.get(frame, {})
    sent = delivered.number in (held.get(name) for name in call.numbers) and held.get(call.result) == 0
    return sent and memory.read(pc - len(call.code), len(call.code)) == call.code


def _told(memory: ProcessMemory, stack: int | None, delivered: Fault) -> Fault | None:
    """The fault that the signal frame at `stack` records."""
    if stack is None:
        return None
    fault = handled_fault(memory.core, stack) or worked_out(memory, stack)
    if fault is None and delivered.number == SIGFPE:
        fault = divided(memory, stack)
    return None if fault and fault.derived and is_stale(memory, stack) else fault


def _is_same(one: Fault, other: Fault) -> bool:
    """Whether two signal frames record one trap; only one of them may have the siginfo_t with its code."""
    return (one.number, one.address) == (other.number, other.address)


def describe_signal(memory: ProcessMemory, site: Site, message: str | None = None) -> SignalInfo:
    """The signal with all that is known of its cause; `message` is the program's last one."""
    fault, delivered = site.fault, site.delivered
    at = _interrupted(memory, site)
    frames = site.frames[site.frame :]
    said = (
        explain_fault(memory.core, fault, site.registers, at),
        *explain_overwritten(memory, fault, frames, site.registers, at),
        explain_abort(fault, message, _within(memory.core, frames)),
    )
    return SignalInfo(
        number=fault.number,
        name=site.signal,
        code=fault.code,
        fault_address=None if fault.address is None else hex(fault.address),
        meaning="; ".join(filter(None, said)) or None,
        sender=fault.sender,
        delivered=delivered.name if delivered and delivered.number not in (0, fault.number) else None,
    )


def _within(core: Core, frames: Sequence[Frame]) -> Iterator[str | None]:
    """The functions of the innermost frames that are in one module, as the C library's of an abort are."""
    module = core.module_at(frames[0].pc) if frames else None
    return (frame.function for frame in takewhile(lambda item: core.module_at(item.pc) == module, frames))


def describe_site(memory: ProcessMemory, site: Site, frames: Sequence[NativeFrame]) -> CrashSite:
    """The place; `frames` from the fault outwards."""
    if not frames:
        return CrashSite(pc=None, function=None)
    frame = frames[0]
    module = memory.core.module_at(int(frame.pc, 16)) if frame.pc else None
    return CrashSite(
        pc=frame.pc,
        function=frame.function,
        offset=frame.offset,
        exact=frame.exact,
        module=frame.module,
        build_id=module.build_id if module else None,
        disassembly=_disassembly(memory, site),
    )


def _noted(core: Core) -> Fault:
    """The signal by the crashed thread's own note, where the core holds no siginfo, as qemu-user's do not."""
    number = core.threads[0].signal if core.threads else 0
    return Fault(number=number, code=None, address=None) if number else _UNKNOWN


def _noted_at(memory: ProcessMemory, noted: Fault, crashed: ThreadReading) -> Fault | None:
    """The fault at a thread's current instruction, where the core holds the signal alone."""
    return worked_out_at(memory, crashed.registers.get(0, {})) if noted.number == SIGSEGV else None


def _site(
    crashed: ThreadReading, fault: Fault, frame: int, delivered: Fault | None, doubts: tuple[str, ...]
) -> Site:
    near = {number: held for number, held in crashed.registers.items() if number >= frame}
    return Site(
        fault=fault, frame=frame, delivered=delivered, frames=crashed.frames, near=near, doubts=doubts
    )


def _interrupted(memory: ProcessMemory, site: Site) -> Decoded | None:
    if not site.frames:
        return None
    return instruction_at(memory.core.arch, site.frames[site.frame].pc, site.registers, memory.read)


def _disassembly(memory: ProcessMemory, site: Site) -> tuple[Instruction, ...]:
    frames = site.frames[site.frame :]
    entered = next((frame for frame in frames if not frame.inline), None)
    lines = disassemble(
        memory.core.arch, frames[0].pc, site.registers, memory.read, start=entered.start if entered else None
    )
    return tuple(
        Instruction(
            address=hex(line.address), text=line.text, operands=line.note if line.current else None,
            current=line.current,
        )
        for line in lines
    )  # fmt: skip
