"""Headers and notes, in cores and in ELF files: bounded, and with what is cut left out. Layouts: elf(5)."""

import struct
from collections.abc import Iterator
from typing import Final

PAGE: Final = 4096
"""How much of a mapping's start is looked at: the kernel dumps the page with the ELF header."""
_NHDR: Final = struct.Struct("<III")
_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_PT_LOAD, _PT_NOTE = 1, 4
_PF_X: Final = 1
_NT_GNU_BUILD_ID: Final = 3
_WIDE: Final = 8
"""p_align of GNU property notes; all other notes are aligned to 4 whatever p_align says."""

MAX_AUXV: Final = 4096
"""Bytes of the auxiliary vector that are read; Linux gives some 20 entries of 16."""


def notes_in(data: bytes, align: int) -> Iterator[tuple[int, bytes, bytes]]:
    """The notes of a PT_NOTE segment as (type, name, description); ends at the first cut one (elf(5))."""
    place = 0
    while place + _NHDR.size <= len(data):
        name_size, desc_size, kind = _NHDR.unpack_from(data, place)
        name = place + _NHDR.size
        desc = name + _aligned(name_size, align)
        if desc + desc_size > len(data):
            return
        yield kind, data[name : name + name_size], data[desc : desc + desc_size]
        place = desc + _aligned(desc_size, align)


def build_id_of(head: bytes) -> str | None:
    """The GNU build id in the first bytes of an ELF file or of its mapping; None where they lack it."""
    for kind, _, place, _, _, stored, _, align in _headers(head):
        if kind != _PT_NOTE:
            continue
        for note, name, desc in notes_in(head[place : place + stored], _WIDE if align == _WIDE else 4):
            if note == _NT_GNU_BUILD_ID and name == b"GNU\0":
                return desc.hex()
    return None


def code_of(head: bytes) -> int | None:
    """How far behind its start a loaded file has its code, by the first bytes of it; None without code."""
    loads = [header for header in _headers(head) if header[0] == _PT_LOAD]
    code = [address for _, flags, _, address, *_ in loads if flags & _PF_X]
    return code[0] - loads[0][3] if code else None


def _headers(head: bytes) -> Iterator[tuple[int, ...]]:
    """The program headers that the first bytes of an ELF file hold."""
    if head[:6] != b"\x7fELF\x02\x01" or len(head) < _EHDR.size:
        return iter(())
    fields = _EHDR.unpack_from(head)
    offset, count = fields[5], fields[10]
    whole = max(0, min(count, (len(head) - offset) // _PHDR.size))
    return _PHDR.iter_unpack(head[offset : offset + whole * _PHDR.size])


def parse_auxv(desc: bytes) -> dict[int, int]:
    """The auxiliary vector (getauxval(3))."""
    whole = min(len(desc), MAX_AUXV) // 16 * 16
    return dict(struct.iter_unpack("<QQ", desc[:whole]))


def _aligned(size: int, align: int) -> int:
    return (size + align - 1) // align * align
