"""What a program said as it gave up, as its own memory still has it.

glibc keeps the text of its aborts (heap corruption, failed assertions, buffer overflows) in
`__abort_msg` for exactly this use (assert/assert.c, sysdeps/posix/libc_fatal.c). An exception that
nobody caught is found by the class that its runtime wrote into it (Itanium C++ ABI, 2.2.1).
"""

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Final

from orchestrator.crash.invocation import WORD, read_string
from orchestrator.crash.memory import ProcessMemory
from orchestrator.tools.core import Core
from orchestrator.tools.demangle import demangle

MAX_TEXT: Final = 4096
"""Bytes of a message that are read."""
MAX_SEARCHED: Final = 256 << 20
"""Bytes of writable memory that are searched for an exception; a search of this takes 0.1 s."""
_ABORT_HEADER: Final = 4
"""struct abort_msg_s: its size as an unsigned int, then the text."""
_CXX_CLASSES: Final = (b"\0++CCUNG", b"\0++CGNLC")
"""The exception classes "GNUCC++\\0" (libstdc++) and "CLNGC++\\0" (libc++), as they lie in memory."""
_TYPE_BEFORE: Final = 80
"""From the class back to __cxa_exception's exceptionType; equal in libstdc++ and libc++abi."""
_OBJECT_BEHIND: Final = 32
"""From the class on to the thrown object: sizeof(_Unwind_Exception)."""
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


def read_message(memory: ProcessMemory, functions: Collection[str]) -> str | None:
    """The message, if one can be found; `functions` are those of the crashed thread's frames."""
    found = _abort_message(memory)
    if found is None and any("terminate" in name or name in _THROWING for name in functions):
        found = _uncaught(memory)
    return found


def _abort_message(memory: ProcessMemory) -> str | None:
    """glibc's own; musl keeps none."""
    for module in memory.core.modules:
        place = memory.pointer(module, (_ABORT_MESSAGE,)) if _may_be_libc(module.path) else None
        pointer = memory.word(place) if place else None
        text = read_string(memory.core, pointer + _ABORT_HEADER, MAX_TEXT) if pointer else None
        if text:
            return text.decode(errors="replace").strip()
    return None


def _uncaught(memory: ProcessMemory) -> str | None:
    """The type of an exception in memory, and its text where its type keeps one as the standard's do."""
    for place in _exceptions(memory.core):
        kind = memory.word(place - _TYPE_BEFORE)
        name = _type_name(memory, kind) if kind else None
        if name is None:
            continue
        text = memory.word(place + _OBJECT_BEHIND + WORD) if name in _WITH_TEXT else None
        what = read_string(memory.core, text, MAX_TEXT) if text else None
        return f"uncaught exception {name}{': ' + what.decode(errors='replace') if what else ''}"
    return None


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
    """libc, or a program that may have it inside."""
    name = PurePosixPath(path).name
    return name.startswith(("libc.", "libc-")) or ".so" not in name
