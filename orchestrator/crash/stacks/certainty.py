"""How far outwards a stack is certain, whichever backend read it.

Code without call frame information can be left only by a guess, unless a call on the stack and the
instructions of the function agree. The backend `elf` marks what it guesses, gdb does not. This is decided
from the core and the files alone, so that it is the same for both.
"""

from collections.abc import Sequence

from orchestrator.binary.dwarf.cfi_program import CfiError
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.calls import Calls
from orchestrator.crash.stacks.elf.unwind_arch import UNWIND_ARCHES
from orchestrator.crash.stacks.reading import Frame
from orchestrator.crash.stacks.unwind_tables import UnwindTables
from orchestrator.model import Arch


def count_certain(tables: UnwindTables, frames: Sequence[Frame]) -> int:
    """The number of frames, outwards from the first, that no guess led to; `frames` begin at a fault.

    The first frame may be in no code: after a wild jump the return address is where the call left it.
    """
    memory = tables.memory
    for number, frame in enumerate(frames):
        if frame.scanned:
            return number
        if frame.trampoline:
            continue
        interrupted = number == 0 or frames[number - 1].trampoline
        if not memory.is_code(frame.pc):
            if not interrupted:
                return number
            continue
        place = frame.pc if interrupted else frame.pc - 1
        if not (frame.inline or _can_be_left(tables, place) or _is_called(memory, frames[number:])):
            return number + 1
    return len(frames)


def count_named(tables: UnwindTables, frames: Sequence[Frame]) -> tuple[int, int, int]:
    """The frames that are named for certain and that no guess led to, all such, and those up to no code.

    A signal's trampoline ends a guess: the kernel saved the registers of the frame that it interrupted.
    Guesses that stay in code may show a recursion, others are words of the stack.
    """
    memory = tables.memory
    begin = named = total = 0
    while begin < len(frames):
        sure = frames[begin : begin + count_certain(tables, frames[begin:])]
        named += sum(bool(frame.function and frame.exact) for frame in sure)
        total += len(sure)
        left = range(begin + len(sure), len(frames) - 1)
        begin = next(
            (place + 1 for place in left if _is_interrupted(memory, *frames[place : place + 2])), len(frames)
        )
    outside = (number for number, frame in enumerate(frames[1:], 1) if not memory.is_code(frame.pc))
    return named, total, next(outside, len(frames))


def _is_interrupted(memory: ProcessMemory, trampoline: Frame, outer: Frame) -> bool:
    """Whether a signal's frame is on the stack, and says that it interrupted the next frame outwards."""
    machine = UNWIND_ARCHES.get(memory.core.arch)
    if machine is None or not trampoline.trampoline or trampoline.sp is None:
        return False
    saved = machine.interrupted(memory.read(trampoline.sp + machine.context_at, 8 * len(machine.context)))
    return saved is not None and saved[machine.pc] == outer.pc


def _is_called(memory: ProcessMemory, frames: Sequence[Frame]) -> bool:
    """Whether the second frame called the function of the first, by the instructions of that."""
    machine = UNWIND_ARCHES.get(memory.core.arch)
    if machine is None or len(frames) < 2 or frames[0].sp is None:
        return False
    caller = Calls(memory, machine).caller(frames[0].pc, {machine.sp: frames[0].sp})
    return caller is not None and caller[machine.pc] == frames[1].pc


def _can_be_left(tables: UnwindTables, address: int) -> bool:
    """Whether the file of an address says how to leave the function there."""
    memory = tables.memory
    if memory.core.arch is Arch.ARM:
        return True  # Its tables (.ARM.exidx) are not read here; gdb reads them, and nothing else the stack.
    if memory.object_at(address) is None:
        return not memory.core.modules  # Nothing can be decided where no file is known at all.
    try:
        return tables.at(address) is not None
    except CfiError:
        return False
