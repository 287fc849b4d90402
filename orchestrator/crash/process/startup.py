"""How the process was started: its name, and the command line and environment on its first stack.

The kernel lays argc, the pointers of argv and of envp, and the auxiliary vector in one block
(fs/binfmt_elf.c, create_elf_tables), so the auxiliary vector, which the core also has as a note, marks
its end. This needs no symbols, and works for static programs and for qemu's guests.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.elf.headers import Segment

WORD: Final = 8
MAX_ENTRIES: Final = 4096
"""Arguments or variables that are read."""
MAX_STRING: Final = 1 << 16
"""Bytes of one argument or variable that are read; the kernel allows 128 kB."""
MAX_STRINGS: Final = 8 << 20
"""Bytes of arguments and variables together: the kernel allows 6 MiB (exec.c, bprm_stack_limits)."""
_AT_EXECFN, _AT_RANDOM = 31, 25
"""Entries of the auxiliary vector that point to where the stack began."""
_COMM: Final = slice(40, 56)
_ARGUMENTS: Final = slice(56, 136)
"""struct elf_prpsinfo of 64-bit Linux: pr_fname and pr_psargs (include/linux/elfcore.h)."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """Name (comm, 15 bytes), command line, and the pointers of the first environment with their place."""

    name: str | None = None
    command: tuple[str, ...] = ()
    environment: int | None = None


def read_invocation(core: Core) -> Invocation:
    """Read it from a core; without the stack the command line is NT_PRPSINFO's (80 bytes, one word)."""
    name, words = _psinfo(core.psinfo)
    place = _vector_place(core)
    if place is None:
        return Invocation(name=name, command=words)
    environment = _start_of_array(core, place)
    argv = _start_of_array(core, environment) if environment else None
    if argv is None or environment is None:
        return Invocation(name=name, command=words)
    command = tuple(text.decode(errors="replace") for _, text in strings(core, argv))
    return Invocation(name=name, command=command or words, environment=environment)


def strings(core: Core, array: int) -> Iterator[tuple[int, bytes]]:
    """The strings of a NULL-terminated array of pointers, each with its pointer, up to the first lost one."""
    for number in range(MAX_ENTRIES):
        pointer = word(core, array + WORD * number)
        text = read_string(core, pointer) if pointer else None
        if not pointer or text is None:
            return
        yield pointer, text


def word(core: Core, address: int) -> int | None:
    """An unsigned 64-bit number in memory; None where the core does not hold it."""
    raw = core.read(address, WORD)
    return int.from_bytes(raw, "little") if len(raw) == WORD else None


def read_string(core: Core, address: int, limit: int = MAX_STRING) -> bytes | None:
    """A string up to its NUL, or to `limit`; None where the core does not hold its start."""
    chunk = core.read(address, 256)
    if chunk and b"\0" not in chunk:
        chunk = core.read(address, limit)
    return chunk.split(b"\0", 1)[0] if chunk else None


def _psinfo(raw: bytes | None) -> tuple[str | None, tuple[str, ...]]:
    if raw is None or len(raw) < _ARGUMENTS.stop:
        return None, ()
    name, line = (raw[part].split(b"\0", 1)[0].decode(errors="replace") for part in (_COMM, _ARGUMENTS))
    return name or None, (line.strip(),) if line.strip() else ()


def _vector_place(core: Core) -> int | None:
    """Where the auxiliary vector lies on the stack, found by its own bytes."""
    vector = b"".join(struct.pack("<QQ", *entry) for entry in core.auxv.items())
    known = (address for entry in (_AT_EXECFN, _AT_RANDOM) if (address := core.auxv.get(entry)))
    found = next(((segment, at) for at in known if (segment := _stack(core, at))), None)
    if found is None or not vector:
        return None
    # Before the strings, which are at the very end; a forged core's "stack" may be of any size.
    segment, address = found
    start = max(segment.start, address - MAX_STRINGS)
    place = core.read(start, address + len(vector) - start).rfind(vector)
    return start + place if place >= 0 else None


def _stack(core: Core, address: int) -> Segment | None:
    return next((s for s in core.loads if s.start <= address < s.start + s.size), None)


def _start_of_array(core: Core, end: int) -> int | None:
    """The start of the NULL-terminated array of pointers that ends right before `end`.

    envp is preceded by the NULL that ends argv, and argv by its count, which is no pointer.
    """
    if word(core, end - WORD) != 0:
        return None
    for number in range(2, MAX_ENTRIES):
        value = word(core, end - WORD * number)
        if value is None:
            return None
        if value < MAX_ENTRIES:
            return end - WORD * (number - 1)
    return None
