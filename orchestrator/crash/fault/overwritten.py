"""Signs that memory was overwritten before the fault: pointers that are text, damaged lists of allocators.

An allocator links its free blocks by pointers inside of them. Code that writes past the end of a block, or
into one that was freed, changes such a pointer; the fault comes later, when the allocator follows it for
other code. Each sentence states only what the registers and the memory prove.
"""

import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.disasm import Instruction
from orchestrator.binary.elf.headers import PAGE, PF_W, Segment
from orchestrator.crash.fault.explain import NEAR
from orchestrator.crash.fault.pymalloc import pool_of
from orchestrator.crash.fault.siginfo import Fault
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.reading import Frame
from orchestrator.model.frame_names import plain_name

_WORD: Final = 8
# Characters of a pointer that is taken for text; fewer are more often an address.
_LETTERS: Final = 5
MAX_SEARCHED: Final = 64 << 20
"""Bytes of heap that are searched for a damaged link."""
_NEAR: Final = 48
"""Bytes before and behind a word of text that may show what was written there."""
TAKES_MEMORY: Final = frozenset({
    "malloc", "calloc", "realloc", "memalign", "_int_malloc", "_int_realloc", "_int_memalign", "sysmalloc",
    "malloc_consolidate", "unlink_chunk", "tcache_get", "tcache_put", "__libc_malloc", "__libc_calloc",
    "__libc_realloc", "__libc_memalign", "_PyObject_Malloc", "_PyObject_Calloc", "_PyObject_Realloc",
    "pymalloc_alloc", "pymalloc_realloc", "PyObject_Malloc",
})  # fmt: skip
GIVES_BACK: Final = frozenset({
    "free", "cfree", "__libc_free", "_int_free", "_int_free_chunk", "_int_free_merge_chunk", "_PyObject_Free",
    "pymalloc_free", "PyObject_Free",
})  # fmt: skip
"""Functions of glibc's malloc (malloc/malloc.c) and of CPython's (Objects/obmalloc.c)."""
OF_PYTHON: Final = frozenset(
    name for name in TAKES_MEMORY | GIVES_BACK if name.startswith(("_Py", "Py", "pymalloc"))
)
_REGISTER: Final = re.compile(r"\b(?:[er]?[abcd]x|[er]?[sd]il?|[er]?[sb]pl?|r\d+[bwd]?|[xw]\d+)\b")
_SENT: Final = ("SI_USER", "SI_TKILL", "SI_QUEUE")


def explain_overwritten(
    memory: ProcessMemory, fault: Fault, frames: Sequence[Frame], registers: Mapping[str, int],
    at: Instruction | None,
) -> Iterator[str]:  # fmt: skip
    """What was overwritten, in words; `frames` and `registers` are those from the fault on."""
    if fault.number not in (signal.SIGSEGV, signal.SIGBUS) or fault.code in _SENT or not frames:
        return
    used = dict(_used(memory.core, registers, at))
    text = next((name for name, value in used.items() if as_text(_bytes(value))), None)
    value = used[text] if text else next(iter(used.values()), None)
    place = _find_link(memory.core, value) if value is not None else None
    if text:
        where = f" (at {place:#x}{_around(memory.core, place)})" if place else ""
        said = as_text(_bytes(used[text]))
        yield f"{text} holds text in place of an address, {said}{where}: a pointer was overwritten by it"
    function = plain_name(frames[0].function or "")
    if value is None or function not in TAKES_MEMORY | GIVES_BACK:
        return
    pool = pool_of(memory.core, place) if place and function in OF_PYTHON else None
    if place and pool:
        yield (
            f"{function} follows the list of free blocks of the pool at {pool.start:#x}, which other code "
            f"damaged earlier: a block of {pool.block} bytes there was overwritten with "
            f"{_content(memory.core, place)} after it was given back, or by a write past the block before it"
        )
    elif place:
        yield (
            f"{function} follows its lists of free blocks, which other code damaged earlier: the link in the "
            f"free block at {place:#x} was overwritten with {_content(memory.core, place)}"
        )
    elif function in TAKES_MEMORY:
        yield f"{function} follows its lists of free blocks, which other code damaged earlier"
    else:
        yield f"{function} was given a pointer to no block of its own, or its lists were damaged earlier"


def _bytes(value: int) -> bytes:
    return value.to_bytes(_WORD, "little")


def _used(core: Core, registers: Mapping[str, int], at: Instruction | None) -> Iterator[tuple[str, int]]:
    """The registers of the instruction whose values are no address in memory; of a jump, where it led."""
    if at is None:
        pc = "rip" if "rip" in registers else "pc"
        named = {pc} if pc in registers else set()
    else:
        named = {name for name in _REGISTER.findall(at.text) if name in registers}
    for name in sorted(named):
        if core.segment_at(registers[name]) is None and NEAR <= registers[name] < (1 << 64) - NEAR:
            yield name, registers[name]
    for operand in at.operands if at and at.mnemonic in ("ret", "call", "jmp", "blr", "br") else ():
        if operand.address is not None and operand.value and core.segment_at(operand.value) is None:
            yield operand.name, operand.value


def as_text(raw: bytes) -> str | None:
    """Bytes as a quoted string if they are text, with or without trailing zeros; else None."""
    text = raw.rstrip(b"\0")
    if len(text) < _LETTERS or not all(0x20 <= byte < 0x7F or byte in b"\t\n\r" for byte in text):
        return None
    return json.dumps(text.decode())


def _find_link(core: Core, value: int) -> int | None:
    """Where a block has a link of this value: as it is, or mangled with its place (glibc since 2.32)."""
    left = MAX_SEARCHED
    for segment in core.loads:
        if not segment.flags & PF_W or core.module_at(segment.start) or segment.stored > left:
            continue
        left -= segment.stored
        if (place := _find_in(core, segment, value)) is not None:
            return place
    return None


def _find_in(core: Core, segment: Segment, value: int) -> int | None:
    held = core.read(segment.start, segment.stored)
    for at in range(0, len(held), PAGE):
        page = segment.start + at
        for link in (value ^ page >> 12, value):
            place = held.find(link.to_bytes(_WORD, "little"), at, at + PAGE)
            if place >= 0 and place % _WORD == 0 and not _is_stack(core, segment):
                return segment.start + place
    return None


def _is_stack(core: Core, segment: Segment) -> bool:
    """Whether a mapping is a thread's stack, where spilled registers have the same value."""
    return any(segment.start <= thread.sp < segment.start + segment.size for thread in core.threads)


def _content(core: Core, place: int) -> str:
    """What lies in a damaged link."""
    link = core.read(place, _WORD)
    return as_text(link) or f"{int.from_bytes(link, 'little'):#x}"


def _around(core: Core, place: int) -> str:
    """The text that a word of text belongs to, if it is longer than the word."""
    before = re.search(rb"[\t\n\r\x20-\x7e]*\Z", core.read(place - _NEAR, _NEAR))
    behind = re.match(rb"[\t\n\r\x20-\x7e]*", core.read(place, _NEAR))
    whole = (before[0] if before else b"") + (behind[0] if behind else b"")
    return f", in {json.dumps(whole.decode())}" if len(whole) > _WORD else ""
