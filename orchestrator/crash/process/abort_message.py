"""The last message of a program that aborted, from its memory.

glibc stores the text of its aborts (heap corruption, failed assertions, buffer overflows) in `__abort_msg`
for this use (assert/assert.c, sysdeps/posix/libc_fatal.c). An uncaught exception is found by the class that
its runtime wrote into it (Itanium C++ ABI, 2.2.1).
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.demangle import demangle
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.process.panic_message import read_panic
from orchestrator.crash.process.startup import WORD, read_string
from orchestrator.crash.stacks.reading import Frame

MAX_TEXT: Final = 4096
"""Bytes of a message that are read."""
MAX_SEARCHED: Final = 256 << 20
"""Bytes of writable memory that are searched for an exception; a search of this takes 0.1 s."""
MAX_STACK: Final = 1 << 20
"""Bytes of the throwing frames' stack that are searched for a pointer to the exception."""
_ABORT_HEADER: Final = 4
"""struct abort_msg_s: its size as an unsigned int, then the text."""
_CXX_CLASSES: Final = (b"\0++CCUNG", b"\0++CGNLC")
"""The exception classes "GNUCC++\\0" (libstdc++) and "CLNGC++\\0" (libc++), as they lie in memory."""
_TYPE_BEFORE: Final = 80
"""Bytes from the class back to __cxa_exception's exceptionType; equal in libstdc++ and libc++abi."""
_NEXT_BEFORE: Final = 48
"""Bytes from the class back to nextException, which points to the exceptionType of the one caught before."""
_OBJECT_BEHIND: Final = 32
"""Bytes from the class to the thrown object: sizeof(_Unwind_Exception)."""
_THROWING: Final = frozenset({"__cxa_throw", "__cxa_rethrow", "_Unwind_RaiseException"})
_PF_W: Final = 2
_ABORT_MESSAGE: Final = "__abort_msg"
MAX_TYPE: Final = 256
"""Bytes of a type's name that are read."""
_WITH_TEXT: Final = frozenset({
    "std::runtime_error", "std::range_error", "std::overflow_error", "std::underflow_error",
    "std::logic_error", "std::domain_error", "std::invalid_argument", "std::length_error",
    "std::out_of_range", "std::system_error",
})  # fmt: skip
"""Their first member is a pointer to the text, in libstdc++ as in libc++."""


def read_message(memory: ProcessMemory, frames: Sequence[Frame], registers: Mapping[str, int]) -> str | None:
    """The message, if one can be found; `frames` and `registers` are the crashed thread's from the fault on.

    A function of the program may have "terminate" in its name, and std::terminate has other callers too, so
    an exception is searched for only while one is being thrown.
    """
    return _abort_message(memory) or read_panic(memory, frames) or _uncaught(memory, frames, registers)


def _abort_message(memory: ProcessMemory) -> str | None:
    """glibc's message; musl stores none."""
    for module in memory.core.modules:
        place = memory.pointer(module, (_ABORT_MESSAGE,)) if _may_be_libc(module.path) else None
        pointer = memory.word(place) if place else None
        text = read_string(memory.core, pointer + _ABORT_HEADER, MAX_TEXT) if pointer else None
        if text:
            return text.decode(errors="replace").strip()
    return None


def _uncaught(memory: ProcessMemory, frames: Sequence[Frame], registers: Mapping[str, int]) -> str | None:
    """The type of the exception that is being thrown, and its text if the type has one."""
    throwing = [number for number, frame in enumerate(frames) if _is_throwing(frame.function or "")]
    if not throwing:
        return None
    named = {
        place: name
        for place in _exceptions(memory.core)
        if (name := _exception_type(memory, place)) is not None
    }
    place = _thrown(memory, named, _words(memory, frames[: throwing[-1] + 2], registers))
    if place is None:
        return None
    text = memory.word(place + _OBJECT_BEHIND + WORD) if named[place] in _WITH_TEXT else None
    what = read_string(memory.core, text, MAX_TEXT) if text else None
    return f"uncaught exception {named[place]}{': ' + what.decode(errors='replace') if what else ''}"


def _is_throwing(function: str) -> bool:
    """By its bare name, since debug information gives it its namespace: __cxxabiv1::__cxa_throw."""
    return function.partition("(")[0].rpartition("::")[2] in _THROWING


def _thrown(memory: ProcessMemory, places: Collection[int], words: Collection[int]) -> int | None:
    """The exception that the throwing code has a pointer to; None if it has one to none or to several.

    Freed memory may hold exceptions that were caught earlier, and others may be in flight. One that is
    handled while another is thrown is the next of that one.
    """
    held = [
        place
        for place in places
        if not {place - _TYPE_BEFORE, place, place + _OBJECT_BEHIND}.isdisjoint(words)
    ]
    older = {memory.word(place - _NEXT_BEFORE) for place in held}
    newest = [place for place in held if place - _TYPE_BEFORE not in older]
    return newest[0] if len(newest) == 1 else None


def _words(memory: ProcessMemory, frames: Sequence[Frame], registers: Mapping[str, int]) -> frozenset[int]:
    """All words on the stack of some frames, and the values of the registers."""
    ends = [frame.sp for frame in frames if frame.sp is not None]
    size = min(max(ends[-1] - ends[0], 0), MAX_STACK) if ends else 0
    raw = memory.core.read(ends[0], size // WORD * WORD) if size else b""
    stored = struct.unpack(f"<{len(raw) // WORD}Q", raw[: len(raw) // WORD * WORD])
    return frozenset((*stored, *registers.values()))


def _exception_type(memory: ProcessMemory, place: int) -> str | None:
    kind = memory.word(place - _TYPE_BEFORE)
    return _type_name(memory, kind) if kind else None


def _exceptions(core: Core) -> Iterator[int]:
    left = MAX_SEARCHED
    for segment in core.loads:
        if not segment.flags & _PF_W or segment.stored > left:
            continue
        left -= segment.stored
        held = core.read(segment.start, segment.stored)
        for wanted in _CXX_CLASSES:
            place = -1
            while (place := held.find(wanted, place + 1)) >= 0:
                if (segment.start + place) % WORD == 0:
                    yield segment.start + place


def _type_name(memory: ProcessMemory, kind: int) -> str | None:
    """The name that a std::type_info points to; None where it points to none."""
    pointer = memory.word(kind + WORD)
    raw = memory.read(pointer, MAX_TYPE) if pointer else b""
    name = raw.split(b"\0", 1)[0].lstrip(b"*")
    if not name or not all(0x20 < byte < 0x7F for byte in name):
        return None
    return demangle(f"_ZTI{name.decode()}").removeprefix("typeinfo for ")


def _may_be_libc(path: str) -> bool:
    """Whether a file is libc, or a program that may contain it."""
    name = PurePosixPath(path).name
    return name.startswith(("libc.", "libc-")) or ".so" not in name
