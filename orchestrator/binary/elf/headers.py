"""ELF headers of little-endian files: the file header, program headers and section headers (elf(5)).

The one parser of them, for cores, mapped files, and pages of either. The data is untrusted: tables are read
up to a limit and as far as the data holds them, and an offset beyond the data gives an empty table.
"""

import mmap
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

Bytes = bytes | mmap.mmap

# The kernel dumps the first page of a mapped ELF file, where the linker puts the headers and the build id.
PAGE: Final = 4096
# Rows of a table that are read unless the caller says otherwise; libpython has 40 section headers.
MAX_HEADERS: Final = 4096
MAX_NAME: Final = 4096

EM_386, EM_ARM, EM_X86_64, EM_AARCH64 = 3, 40, 62, 183
ET_CORE: Final = 4
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_EH_FRAME = 1, 2, 3, 4, 0x6474E550
PF_X, PF_W = 1, 2
SHT_SYMTAB, SHT_NOBITS, SHT_DYNSYM = 2, 8, 11
SHF_COMPRESSED: Final = 0x800

_MAGIC: Final = b"\x7fELF"
_LITTLE: Final = 1  # ELFDATA2LSB


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """The structures of one class; `sh_info`: where that lies in a section header."""

    file: struct.Struct
    segment: struct.Struct
    section: struct.Struct
    sh_info: int


# By whether addresses have 64 bits.
_LAYOUTS: Final = {
    True: _Layout(
        file=struct.Struct("<16sHHIQQQIHHHHHH"), segment=struct.Struct("<IIQQQQQQ"),
        section=struct.Struct("<IIQQQQIIQQ"), sh_info=44,
    ),
    False: _Layout(
        file=struct.Struct("<16sHHIIIIIHHHHHH"), segment=struct.Struct("<IIIIIIII"),
        section=struct.Struct("<IIIIIIIIII"), sh_info=28,
    ),
}  # fmt: skip
_CLASSES: Final = {1: False, 2: True}  # ELFCLASS32, ELFCLASS64
# A number of program headers that does not fit in e_phnum is in sh_info of the first section header.
_PN_XNUM: Final = 0xFFFF


class FileHeader(NamedTuple):
    """The file header; offsets in bytes from the file's start, `entry` as linked."""

    kind: int
    machine: int
    entry: int
    segments_at: int
    segment_size: int
    segment_count: int
    sections_at: int
    section_count: int
    names_index: int
    wide: bool
    """Whether addresses have 64 bits, not 32."""

    @property
    def segments_end(self) -> int:
        """Where the table of program headers ends."""
        return self.segments_at + self.segment_count * _LAYOUTS[self.wide].segment.size

    @property
    def sections_end(self) -> int:
        """Where the table of section headers ends."""
        return self.sections_at + self.section_count * _LAYOUTS[self.wide].section.size

    @property
    def has_segments(self) -> bool:
        """Whether its program headers have the size that they have everywhere."""
        return self.segment_size == _LAYOUTS[self.wide].segment.size


class Segment(NamedTuple):
    """A program header: `size` bytes of memory at `start`, of which the file stores `stored` at `offset`."""

    kind: int
    flags: int
    offset: int
    start: int
    physical: int
    stored: int
    size: int
    align: int


class Section(NamedTuple):
    """A section header; `link` is the number of the section that it refers to."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


def is_elf(data: Bytes) -> bool:
    """Whether data begins as an ELF file of any class."""
    return bytes(data[:4]) == _MAGIC


def parse_file_header(data: Bytes) -> FileHeader | None:
    """The file header; None where the data does not begin as a little-endian ELF file."""
    head = bytes(data[: _LAYOUTS[True].file.size])
    if not head.startswith(_MAGIC) or len(head) < _LAYOUTS[False].file.size or head[5] != _LITTLE:
        return None
    wide = _CLASSES.get(head[4])
    if wide is None or len(head) < _LAYOUTS[wide].file.size:
        return None
    layout = _LAYOUTS[wide]
    (_, kind, machine, _, entry, segments_at, sections_at, _, _,
     segment_size, segment_count, _, section_count, names_index) = layout.file.unpack_from(head)  # fmt: skip
    if segment_count == _PN_XNUM:
        place = sections_at + layout.sh_info
        segment_count = int.from_bytes(bytes(data[place : place + 4]), "little") or segment_count
    return FileHeader(
        kind=kind, machine=machine, entry=entry, segments_at=segments_at, segment_size=segment_size,
        segment_count=segment_count, sections_at=sections_at, section_count=section_count,
        names_index=names_index, wide=wide,
    )  # fmt: skip


def parse_segments(data: Bytes, header: FileHeader, limit: int = MAX_HEADERS) -> tuple[Segment, ...]:
    """The program headers, as many as the data holds and `limit` allows."""
    row = _LAYOUTS[header.wide].segment
    rows = row.iter_unpack(_table(data, header.segments_at, header.segment_count, limit, row))
    if header.wide:
        return tuple(map(Segment._make, rows))
    return tuple(
        Segment(kind, flags, offset, start, physical, stored, size, align)
        for kind, offset, start, physical, stored, size, flags, align in rows
    )


def parse_sections(data: Bytes, header: FileHeader) -> tuple[Section, ...]:
    """The section headers with their names, as many as the data holds and MAX_HEADERS allows."""
    row = _LAYOUTS[header.wide].section
    table = _table(data, header.sections_at, header.section_count, MAX_HEADERS, row)
    rows = list(row.iter_unpack(table))
    names_at, names_size = rows[header.names_index][4:6] if header.names_index < len(rows) else (0, 0)
    return tuple(
        Section(text_at(data, names_at, names_size, name), kind, flags, address, offset, size, link)
        for name, kind, flags, address, offset, size, link, *_ in rows
    )


def text_at(data: Bytes, start: int, size: int, at: int) -> str:
    """The string at `at` of a string table of `size` bytes at offset `start`; empty outside of it."""
    if at >= size:
        return ""
    return c_string(bytes(data[start + at : start + min(size, at + MAX_NAME)]))


def c_string(raw: bytes) -> str:
    """Bytes up to the first NUL, or all of them, as text."""
    return raw.partition(b"\0")[0].decode(errors="replace")


def _table(data: Bytes, offset: int, count: int, limit: int, row: struct.Struct) -> bytes:
    table = bytes(data[offset : offset + min(count, limit) * row.size])
    return table[: len(table) // row.size * row.size]
