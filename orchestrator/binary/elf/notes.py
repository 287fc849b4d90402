"""Notes of cores and ELF files, and the facts in the first page of a mapped file (elf(5)).

All lengths are untrusted; the notes end at the first one that is cut off.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from orchestrator.binary.elf.headers import (
    PF_X,
    PT_LOAD,
    PT_NOTE,
    Segment,
    parse_file_header,
    parse_segments,
)

# Bytes of the auxiliary vector that are read; Linux writes about 20 entries of 16 bytes.
MAX_AUXV: Final = 4096
# Bytes of a segment of notes of a program or library; the longest seen has 200.
MAX_NOTES: Final = 1 << 16
_NOTE_HEADER: Final = struct.Struct("<III")
_NT_GNU_BUILD_ID: Final = 3
_GNU: Final = b"GNU\0"
# p_align of GNU property notes; all other notes are aligned to 4, whatever p_align says.
_WIDE: Final = 8


def notes_in(data: bytes, align: int) -> Iterator[tuple[int, bytes, bytes]]:
    """The notes of a PT_NOTE segment as (type, name, description)."""
    place = 0
    while place + _NOTE_HEADER.size <= len(data):
        name_size, desc_size, kind = _NOTE_HEADER.unpack_from(data, place)
        name = place + _NOTE_HEADER.size
        desc = name + _aligned(name_size, align)
        if desc + desc_size > len(data):
            return
        yield kind, data[name : name + name_size], data[desc : desc + desc_size]
        place = desc + _aligned(desc_size, align)


def build_id_of(head: bytes, rest: Callable[[Segment], bytes] = lambda _segment: b"") -> str | None:
    """The GNU build id, in hex, of an ELF file by its first bytes.

    `rest` gives the content of a note segment beyond these: programs that patch a linked file, such as
    patchelf, may move the notes.
    """
    for segment in _segments(head):
        if segment.kind != PT_NOTE or segment.stored > MAX_NOTES:
            continue
        content = head[segment.offset : segment.offset + segment.stored]
        if len(content) < segment.stored:
            content = rest(segment) or content
        if found := build_id_in(content, _WIDE if segment.align == _WIDE else 4):
            return found
    return None


def build_id_in(notes: bytes, align: int = 4) -> str | None:
    """The GNU build id among notes, in hex."""
    found = (desc for kind, name, desc in notes_in(notes, align) if kind == _NT_GNU_BUILD_ID and name == _GNU)
    return next((desc.hex() for desc in found), None)


def code_of(head: bytes) -> int | None:
    """The distance from a file's start to its code when loaded, by its first bytes; None without code."""
    loads = [segment for segment in _segments(head) if segment.kind == PT_LOAD]
    code = [segment.start for segment in loads if segment.flags & PF_X]
    return code[0] - loads[0].start if code else None


def first_address(head: bytes) -> int:
    """The address that a file's first byte is linked to, by its first bytes."""
    loads = (segment for segment in _segments(head) if segment.kind == PT_LOAD)
    return next((load.start - load.offset for load in loads), 0)


def parse_auxv(desc: bytes, *, wide: bool = True) -> dict[int, int]:
    """The auxiliary vector by type (getauxval(3)); `wide`: of a 64-bit process."""
    row = struct.Struct("<QQ" if wide else "<II")
    whole = min(len(desc), MAX_AUXV) // row.size * row.size
    return dict(row.iter_unpack(desc[:whole]))


def _segments(head: bytes) -> tuple[Segment, ...]:
    header = parse_file_header(head)
    return parse_segments(head, header) if header else ()


def _aligned(size: int, align: int) -> int:
    return (size + align - 1) // align * align
