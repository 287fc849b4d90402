"""The message of a panic of Rust, and its place, from the stack of the thread that panicked.

A panic with arguments is formatted into a String for its hook, and one without is a static string. A
reference to either, and to the panic's `core::panic::Location`, lies in the frames of the panic's runtime.
None of these has a stable layout: what is found is checked by what it must hold (library/std/src/panicking.rs
and library/core/src/panic/location.rs of 1.63 to 1.95).
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Final

from orchestrator.binary.elf.headers import PF_W
from orchestrator.binary.name_paths import path_of
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.process.startup import WORD
from orchestrator.crash.stacks.reading import Frame

MAX_STACK: Final = 1 << 16
"""Bytes of the panicking frames' stack that are searched; they take 2 KiB."""
MAX_TEXT: Final = 4096
"""Bytes of a message, and of a file's path."""
_RUNTIME: Final = re.compile(r"<?(core|alloc|std)::|(__rustc::)?(__)?rust_")
"""Functions between a panic and its end, and those of Rust's crates that panic for their caller."""
_HANDLER: Final = re.compile(
    r"std::panicking::(begin_)?panic_handler|(__rustc::)?rust_begin_unwind|std::panicking::begin_panic"
)
"""The functions that have the payload: what is inside of them prints it and ends the process."""
_LOCATION: Final = struct.Struct("<QQII")
"""file (pointer and length), line, column."""
_READ_ONLY: Final = 4
_MAX_LINE: Final = 10_000_000
_OWN: Final = ("/rustc/", "library/")
"""Where Rust's own crates lie; the place of a panic in them is of use only if no other is known."""


def read_panic(memory: ProcessMemory, frames: Sequence[Frame]) -> str | None:
    """For example `panicked at src/main.rs:2:60: index out of bounds: the len is 3 but the index is 7`.

    `frames` are the crashed thread's from the fault on; None where they are not of a panic.
    """
    panicking = [
        number for number, frame in enumerate(frames) if _HANDLER.match(path_of(frame.function or ""))
    ]
    if not panicking:
        return None
    outer = list(
        takewhile(lambda frame: _RUNTIME.match(path_of(frame.function or "")), frames[panicking[-1] :])
    )
    words = _words(memory, frames, panicking[0], panicking[-1] + len(outer))
    place, message = _place(memory, words), _message(memory, words)
    if place is None and message is None:
        return None
    return ": ".join(filter(None, (f"panicked at {place}" if place else "panicked", message)))


def _words(memory: ProcessMemory, frames: Sequence[Frame], first: int, last: int) -> tuple[int, ...]:
    """All words on the stack of some frames, `last` included."""
    begin = frames[first].sp
    end = next((frame.sp for frame in frames[last + 1 :] if frame.sp), None)
    if begin is None or end is None or end <= begin:
        return ()
    raw = memory.core.read(begin, min(end - begin, MAX_STACK) // WORD * WORD)
    return struct.unpack(f"<{len(raw) // WORD}Q", raw[: len(raw) // WORD * WORD])


def _place(memory: ProcessMemory, words: Sequence[int]) -> str | None:
    """The first Location that is referred to, one outside of Rust's own crates if there is any."""
    found = list(filter(None, (_location(memory, word) for word in dict.fromkeys(words))))
    return next((place for place in found if not place.startswith(_OWN)), next(iter(found), None))


def _location(memory: ProcessMemory, address: int) -> str | None:
    raw = memory.read(address, _LOCATION.size) if address % WORD == 0 else b""
    if len(raw) < _LOCATION.size:
        return None
    pointer, size, line, column = _LOCATION.unpack(raw)
    if not (0 < line < _MAX_LINE and 0 < column < _MAX_LINE):
        return None
    # Since 1.90 the length counts a NUL behind the path.
    file = _text(memory, pointer, size) or _text(memory, pointer, size - 1)
    return f"{file}:{line}:{column}" if file and file.endswith(".rs") else None


def _message(memory: ProcessMemory, words: Sequence[int]) -> str | None:
    """The String of a formatted panic; else the static text that most words refer to."""
    static = Counter(_static(memory, words)).most_common(1)
    return next(_formatted(memory, words), static[0][0] if static else None)


def _formatted(memory: ProcessMemory, words: Sequence[int]) -> Iterator[str]:
    """Texts of Strings: capacity, pointer and length, of which the first two may be the other way round."""
    for first, second, size in zip(words, words[1:], words[2:], strict=False):
        for capacity, pointer in ((first, second), (second, first)):
            text = _text(memory, pointer, size) if size <= capacity <= MAX_TEXT else None
            if text and _flags(memory, pointer) & PF_W:
                yield text


def _static(memory: ProcessMemory, words: Sequence[int]) -> Iterator[str]:
    """Static texts: pointer and length, which `fmt::Arguments` has doubled since 1.93."""
    for pointer, size in pairwise(words):
        if _flags(memory, pointer) != _READ_ONLY:
            continue
        for length in {size, size >> 1 if size & 1 else size}:
            text = _text(memory, pointer, length)
            if text and not text.endswith(".rs"):
                yield text


def _flags(memory: ProcessMemory, address: int) -> int:
    """The rights of the mapping at an address; 0 where nothing is mapped."""
    segment = memory.core.segment_at(address)
    return segment.flags if segment else 0


def _text(memory: ProcessMemory, address: int, size: int) -> str | None:
    """Printable text in memory; None where there is none of that size."""
    raw = memory.read(address, size) if 0 < size <= MAX_TEXT else b""
    if len(raw) < size or not raw:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if all(letter.isprintable() or letter in "\n\t" for letter in text) else None
