"""ELF programs and libraries, read in place: in a mapped file, or in a core's memory.

Gives what unwinding needs thousands of times and quickly: bytes at linked addresses, the place of the unwind
table, symbols. The files come out of containers and cores, so every length in them is untrusted, and damaged
parts are left out. Layouts are those of elf(5).
"""

import mmap
import struct
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from orchestrator.binary.elf.compressed import expand, expand_old, expand_xz
from orchestrator.binary.elf.headers import (
    MAX_NAME,
    PAGE,
    PT_DYNAMIC,
    PT_GNU_EH_FRAME,
    PT_LOAD,
    SHF_COMPRESSED,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_SYMTAB,
    Bytes,
    FileHeader,
    Section,
    Segment,
    c_string,
    parse_file_header,
    parse_sections,
    parse_segments,
    text_at,
)
from orchestrator.binary.elf.notes import MAX_NOTES, build_id_in, build_id_of
from orchestrator.binary.elf.symbols import ENTRY, MAX_TABLE, Symbol, SymbolSearch, SymbolTable
from orchestrator.errors import CoreError

# Bytes of the dynamic section that are read; libpython's has 600.
MAX_DYNAMIC: Final = 1 << 14
# Bytes of a chain of DT_GNU_HASH that are read.
MAX_CHAIN: Final = 1 << 16
_DYNAMIC: Final = struct.Struct("<qQ")
_NARROW_DYNAMIC: Final = struct.Struct("<iI")
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_GNU_HASH = 4, 5, 6, 10, 14, 0x6FFFFEF5
_GNU_HASH: Final = struct.Struct("<4I")  # buckets, first symbol, words of the bloom filter, its shift
_POINTER: Final = 8
_HINT: Final = "its symbols are not used"


class ObjectFile:
    """An ELF object. All addresses are as linked; what lies outside of it reads as no bytes."""

    def __init__(
        self, data: Bytes, memory: Callable[[int, int], bytes] | None = None, *, base: int = 0
    ) -> None:
        """From a whole file, or from its first page, loaded at `base`, with `memory` to read the rest.

        Raises CoreError where it is no little-endian ELF file, or ends within its headers. Of a 32-bit file
        segments, names and symbols are read.
        """
        header = parse_file_header(data)
        if header is None:
            raise CoreError("this is no ELF file of a little-endian machine", hint=_HINT)
        if not memory and max(header.segments_end, header.sections_end) > len(data):
            raise CoreError("this ELF file is cut off within its headers", hint=_HINT)
        self._data = data
        self._memory = memory
        self.header: FileHeader = header
        self.segments = parse_segments(data, header)
        self.loads = tuple(segment for segment in self.segments if segment.kind == PT_LOAD)
        # What loading added to its addresses; 0 for one that is not read from memory.
        self.bias = base - self.first_address if memory else 0

    def segment(self, kind: int) -> Segment | None:
        """The first segment of a kind (PT_*)."""
        return next((segment for segment in self.segments if segment.kind == kind), None)

    @property
    def unwind_index(self) -> int | None:
        """The address of .eh_frame_hdr."""
        segment = self.segment(PT_GNU_EH_FRAME)
        return segment.start if segment else None

    @property
    def first_address(self) -> int:
        """The address that the file's first byte is linked to: 0 but for position-dependent programs."""
        return next((load.start - load.offset for load in self.loads), 0)

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an address; shorter where the file does not hold all of them."""
        if self._memory:
            return self._memory(address + self.bias, size)
        for load in self.loads:
            skip = address - load.start
            if 0 <= skip < load.stored:
                begin = load.offset + skip
                return bytes(self._data[begin : begin + max(0, min(size, load.stored - skip))])
        return b""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The section headers; empty for a file that has none, and for one that is read from memory."""
        return () if self._memory else parse_sections(self._data, self.header)

    def section(self, name: str) -> Section | None:
        """A section by its name."""
        return next((section for section in self.sections if section.name == name), None)

    def content(self, section: Section, limit: int) -> bytes:
        """A section's bytes as stored; empty where it has more than `limit`."""
        if section.size > limit or section.kind == SHT_NOBITS:
            return b""
        return bytes(self._data[section.offset : section.offset + section.size])

    def debug_section(self, name: str, limit: int) -> bytes:
        """A section of debug information, expanded if it is compressed; empty beyond `limit` bytes.

        Raises ValueError where its compression is damaged.
        """
        if (section := self.section(name)) is not None:
            raw = self.content(section, limit)
            return expand(raw, limit) if section.flags & SHF_COMPRESSED else raw
        old = self.section(name.replace(".debug_", ".zdebug_"))
        return expand_old(self.content(old, limit), limit) if old else b""

    @cached_property
    def mini_debug(self) -> "ObjectFile | None":
        """The object in .gnu_debugdata, with symbols of functions that the file itself lacks."""
        section = self.section(".gnu_debugdata")
        try:
            raw = expand_xz(self.content(section, MAX_TABLE), MAX_TABLE) if section else b""
            return ObjectFile(raw) if raw else None
        except (ValueError, CoreError):
            return None

    @property
    def build_id(self) -> str | None:
        """The GNU build id, in hex; of a file that dwz(1) wrote, which has no segments, by its sections."""
        if self.segments:
            return build_id_of(self.head, self._notes)
        section = self.section(".note.gnu.build-id")
        return build_id_in(self.content(section, MAX_NOTES)) if section else None

    @property
    def data(self) -> Bytes:
        """The whole file; of one that is read from memory, its first page."""
        return self._data

    @property
    def head(self) -> bytes:
        """The first page."""
        return bytes(self._data[:PAGE])

    def _notes(self, segment: Segment) -> bytes:
        if self._memory:
            return self.read(segment.start, segment.stored)
        return bytes(self._data[segment.offset : segment.offset + segment.stored])

    def text(self, segment: Segment) -> str:
        """The string that a segment of the file begins with."""
        return text_at(self._data, segment.offset, segment.stored, 0)

    @property
    def soname(self) -> str | None:
        """The library's name for the dynamic loader (DT_SONAME)."""
        tags = self._dynamic_tags()
        if not {_DT_SONAME, _DT_STRTAB, _DT_STRSZ} <= tags.keys() or tags[_DT_SONAME] >= tags[_DT_STRSZ]:
            return None
        return c_string(self.read(tags[_DT_STRTAB] + tags[_DT_SONAME], MAX_NAME))

    def find_symbols(self, addresses: Collection[int]) -> dict[int, Symbol]:
        """The symbols that addresses belong to, by address; one whose size covers it is preferred."""
        search = SymbolSearch(sorted(set(addresses)))
        for table in self._symbol_tables():
            search.look(table)
        return search.results()

    def names_at(self, address: int) -> frozenset[str]:
        """The names of all functions that begin at an address."""
        return frozenset(name for table in self._symbol_tables() for name in table.names_at(address))

    def find_pointers(self, names: Collection[str]) -> dict[str, int]:
        """The addresses of the pointer variables of these names that the object defines."""
        found: dict[str, int] = {}
        for table in self._symbol_tables():
            for name, start in table.objects(_POINTER):
                if name in names:
                    found.setdefault(name, start)
        return found

    def _symbol_tables(self) -> Iterator[SymbolTable]:
        """All symbol tables, the dynamic one first."""
        tables = [item for item in self.sections if item.kind in (SHT_SYMTAB, SHT_DYNSYM)]
        for item in sorted(tables, key=lambda section: section.kind == SHT_SYMTAB):
            if item.link < len(self.sections) and item.size <= MAX_TABLE:
                yield SymbolTable(
                    self.content(item, MAX_TABLE), self._names_of(self.sections[item.link]), self.header.wide
                )
        if not tables:
            yield from self._dynamic_symbols()

    def _names_of(self, section: Section) -> Callable[[int], str]:
        return lambda at: text_at(self._data, section.offset, section.size, at)

    def _dynamic_tags(self) -> dict[int, int]:
        """The dynamic section by DT_*."""
        segment = self.segment(PT_DYNAMIC)
        if segment is None:
            return {}
        raw = self.read(segment.start, min(segment.size, MAX_DYNAMIC))
        row = _DYNAMIC if self.header.wide else _NARROW_DYNAMIC
        return dict(row.iter_unpack(raw[: len(raw) // row.size * row.size]))

    def _dynamic_symbols(self) -> Iterator[SymbolTable]:
        """The symbols that the loader uses, found the way it finds them."""
        tags = self._dynamic_tags()
        if not {_DT_SYMTAB, _DT_STRTAB, _DT_STRSZ} <= tags.keys() or not self.header.wide:
            return
        # In memory the loader has relocated these tags, but not those of the vdso.
        bias = 0 if self.read(tags[_DT_SYMTAB], 1) else self.bias
        count = self._symbol_count({tag: value - bias for tag, value in tags.items()})
        table = self.read(tags[_DT_SYMTAB] - bias, min(count * ENTRY.size, MAX_TABLE))
        names = self.read(tags[_DT_STRTAB] - bias, min(tags[_DT_STRSZ], MAX_TABLE))
        yield SymbolTable(table, lambda at: c_string(names[at : at + MAX_NAME]))

    def _symbol_count(self, tags: dict[int, int]) -> int:
        """The number of dynamic symbols, which only the hash tables tell."""
        if _DT_HASH in tags:
            return int.from_bytes(self.read(tags[_DT_HASH] + 4, 4), "little")
        head = self.read(tags.get(_DT_GNU_HASH, 0), _GNU_HASH.size)
        if len(head) < _GNU_HASH.size:
            return 0
        buckets, first, bloom, _ = _GNU_HASH.unpack(head)
        at = tags[_DT_GNU_HASH] + _GNU_HASH.size + bloom * 8
        raw = self.read(at, min(buckets * 4, MAX_TABLE))
        last = max((row[0] for row in struct.iter_unpack("<I", raw[: len(raw) // 4 * 4])), default=0)
        if last < first:
            return int(first)
        chain = self.read(at + buckets * 4 + (last - first) * 4, MAX_CHAIN)
        ends = (place for place in range(0, len(chain) - 3, 4) if chain[place] & 1)
        return int(last + next(ends, 0) // 4 + 1)


def map_object(path: Path) -> ObjectFile:
    """Map a file for as long as the object lives; raises CoreError, or OSError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return ObjectFile(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as error:
        raise CoreError(f"{path.name} is empty", hint=_HINT) from error
