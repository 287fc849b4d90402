"""A stack as it is without debug information: the functions that are on it, by the linker's names.

Debug information adds inlined calls and tail calls, which have no frame, and writes names in another way: of
a method of Rust it has `p::{impl#0}::go`, the linker `<p::Foo as p::Tr>::go`. What must be the same with and
without it is made of these frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.binary.demangle import demangle
from orchestrator.crash.memory import LoadedObject, ProcessMemory
from orchestrator.crash.stacks.reading import Frame


@dataclass(frozen=True, kw_only=True)
class LinkedFrame:
    """A frame by its number in the stack; its function by the linker, or None where that is the same."""

    number: int
    function: str | None


def linked_frames(memory: ProcessMemory, frames: Sequence[Frame]) -> list[LinkedFrame]:
    """The frames that the stack itself has, with what the linker calls their functions."""
    names = _Names(memory)
    return [
        LinkedFrame(number=number, function=names.of(frame, interrupted=_is_interrupted(frames, number)))
        for number, frame in enumerate(frames)
        if not frame.inline and not frame.tail_call
    ]


def _is_interrupted(frames: Sequence[Frame], number: int) -> bool:
    """Whether a frame's pc is the instruction that was about to run, not the one after a call."""
    inner = next((frame for frame in reversed(frames[:number]) if not frame.inline), None)
    return inner is None or inner.trampoline


class _Names:
    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory

    def of(self, frame: Frame, *, interrupted: bool) -> str | None:
        """The linker's name of a frame's function, demangled; None of C, where it is the function's own."""
        if not frame.function or ("::" not in frame.function and "(" not in frame.function):
            return None
        address = frame.pc if interrupted else frame.pc - 1
        loaded = self._memory.object_at(address)
        return self._read(loaded, address - loaded.bias) if loaded else None

    def _read(self, loaded: LoadedObject, address: int) -> str | None:
        for sources in self._memory.described(loaded):
            symbol = sources.main.find_symbols({address}).get(address)
            if symbol and symbol.covering and symbol.size and symbol.name:
                return demangle(symbol.name)
        return None
