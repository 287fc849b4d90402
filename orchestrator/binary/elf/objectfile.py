"""ELF programs and libraries read where they lie: in a file that is mapped, or in a core's memory.

For what unwinding needs of them, thousands of times and quickly: bytes at linked addresses, the place
of the unwind table, symbols. They come out of containers and cores, so no length in them is believed,
and what is damaged is left out. Layouts are those of elf(5).
"""

import mmap
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from orchestrator.errors import CoreError

Bytes = bytes | mmap.mmap
MAX_HEADERS: Final = 4096
"""Program or section headers that are read; libpython has 40."""
MAX_TABLE: Final = 64 << 20
"""Bytes of a symbol table that are read; libpython's with debug symbols has 1 MB."""
MAX_STEPS: Final = 1 << 22
"""Pairs of a symbol and an address that it covers; a table where all cover all is no real one."""
MAX_NAME: Final = 4096

_MAGIC: Final = b"\x7fELF\x02\x01"
_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_DYNAMIC: Final = struct.Struct("<qQ")
_PT_LOAD, _PT_DYNAMIC, _PT_EH_FRAME = 1, 2, 0x6474E550
_SHT_SYMTAB, _SHT_DYNSYM, _SHT_NOBITS = 2, 11, 8
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_GNU_HASH = 4, 5, 6, 10, 0x6FFFFEF5
_FUNCTIONS: Final = frozenset({0, 2, 10})
"""STT_NOTYPE (hand-written assembly), STT_FUNC, STT_GNU_IFUNC."""
_OBJECT: Final = 1
"""STT_OBJECT."""
_PUBLIC: Final = frozenset({1, 2})
"""STB_GLOBAL, and STB_WEAK, which glibc's public names are where it has internal ones beside."""
_WORD: Final = 8


@dataclass(frozen=True, slots=True)
class Load:
    """A part of the file that is mapped; addresses as linked."""

    start: int
    stored: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; `link` is the number of the section that it refers to."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int
    flags: int


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """The symbol that an address belongs to.

    One without a size (hand-written assembly) may reach as far as the address; one that is not
    `covering` and has a size ends before it, and is only the nearest.
    """

    start: int
    size: int
    name: str = ""
    covering: bool = True


class ObjectFile:
    """An ELF object. All addresses are as linked; what lies outside reads as nothing."""

    def __init__(self, data: Bytes, memory: Callable[[int, int], bytes] | None = None) -> None:
        """From a whole file, or from its first page with `memory` to read the rest by address.

        Raises CoreError where it is no 64-bit little-endian ELF object.
        """
        head = bytes(data[: _EHDR.size])
        if head[:6] != _MAGIC or len(head) < _EHDR.size:
            raise CoreError("this is not a 64-bit ELF file", hint="its symbols are not used")
        self._data = data
        self._memory = memory
        self.bias = 0
        """What loading added to its addresses; only where it is read from memory."""
        fields = _EHDR.unpack(head)
        self._sections_at, self._section_count, self._names_in = fields[6], fields[12], fields[13]
        ends = (fields[5] + fields[10] * _PHDR.size, self._sections_at + self._section_count * _SHDR.size)
        if not memory and max(ends) > len(data):
            raise CoreError("this ELF file is cut", hint="its symbols are not used")
        headers = list(self._table(_PHDR, fields[5], fields[10]))
        self.loads = tuple(
            Load(start=start, stored=stored, offset=offset, size=size)
            for kind, _, offset, start, _, stored, size, _ in headers
            if kind == _PT_LOAD
        )
        self._dynamic = next(((h[3], h[6]) for h in headers if h[0] == _PT_DYNAMIC), None)
        self.unwind_index = next(((h[3], h[6]) for h in headers if h[0] == _PT_EH_FRAME), None)
        """Address and size of .eh_frame_hdr."""

    @property
    def first_address(self) -> int:
        """The address that the file's first byte is linked to: 0 but for position-dependent programs."""
        return next((load.start - load.offset for load in self.loads), 0)

    def read(self, address: int, size: int) -> bytes:
        """Bytes at an address; shorter where the file does not hold all of them."""
        if self._memory:
            return self._memory(address, size)
        for load in self.loads:
            skip = address - load.start
            if 0 <= skip < load.stored:
                begin = load.offset + skip
                return bytes(self._data[begin : begin + max(0, min(size, load.stored - skip))])
        return b""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The section headers; empty where the file is stripped of them, or is read from memory."""
        if self._memory:
            return ()
        rows = list(self._table(_SHDR, self._sections_at, self._section_count))
        names = rows[self._names_in] if self._names_in < len(rows) else None
        return tuple(
            Section(
                name=self._string(names[4], names[5], row[0]) if names else "",
                kind=row[1], flags=row[2], address=row[3], offset=row[4], size=row[5], link=row[6],
            )
            for row in rows
        )  # fmt: skip

    def section(self, name: str) -> Section | None:
        """A section by its name."""
        return next((section for section in self.sections if section.name == name), None)

    def content(self, section: Section, limit: int) -> bytes:
        """A section's bytes as they are stored; nothing where it has more than `limit`."""
        if section.size > limit or section.kind == _SHT_NOBITS:
            return b""
        return bytes(self._data[section.offset : section.offset + section.size])

    def find_symbols(self, addresses: Collection[int]) -> dict[int, Symbol]:
        """The symbols that addresses belong to, by address; one whose size covers it is preferred."""
        wanted = sorted(set(addresses))
        search = _Search(wanted)
        for table, names in self._symbol_tables():
            search.look(table, names)
        return {
            address: replace(symbol, name=names(place))
            for address, (symbol, place, names) in search.results().items()
        }

    def names_at(self, address: int) -> frozenset[str]:
        """The names of all functions that begin at an address."""
        found = set()
        for table, text in self._symbol_tables():
            whole = len(table) // _SYMBOL.size * _SYMBOL.size
            for name, info, _, section, start, _ in _SYMBOL.iter_unpack(memoryview(table)[:whole]):
                if start == address and section and info & 0xF in _FUNCTIONS:
                    found.add(text(name))
        return frozenset(found)

    def find_pointers(self, names: Collection[str]) -> dict[str, int]:
        """The addresses of the pointer variables of these names that the object defines."""
        found: dict[str, int] = {}
        for table, text in self._symbol_tables():
            whole = len(table) // _SYMBOL.size * _SYMBOL.size
            for name, info, _, section, start, size in _SYMBOL.iter_unpack(memoryview(table)[:whole]):
                if section and size == _WORD and info & 0xF == _OBJECT and (said := text(name)) in names:
                    found.setdefault(said, start)
        return found

    def _symbol_tables(self) -> Iterator[tuple[bytes, Callable[[int], str]]]:
        tables = [item for item in self.sections if item.kind in (_SHT_SYMTAB, _SHT_DYNSYM)]
        for item in sorted(tables, key=lambda section: section.kind == _SHT_SYMTAB):
            names = self.sections[item.link] if item.link < len(self.sections) else None
            if names and item.size <= MAX_TABLE:
                yield self.content(item, MAX_TABLE), lambda at, n=names: self._string(n.offset, n.size, at)  # type: ignore[misc]
        if not tables:
            yield from self._dynamic_symbols()

    def _dynamic_symbols(self) -> Iterator[tuple[bytes, Callable[[int], str]]]:
        """The symbols that the loader uses, found as it finds them."""
        if self._dynamic is None:
            return
        raw = self.read(self._dynamic[0], min(self._dynamic[1], 1 << 14))
        tags = dict(_DYNAMIC.iter_unpack(raw[: len(raw) // _DYNAMIC.size * _DYNAMIC.size]))
        if not {_DT_SYMTAB, _DT_STRTAB, _DT_STRSZ} <= tags.keys():
            return
        # In memory the loader has relocated these tags, but not in the vdso.
        bias = 0 if self.read(tags[_DT_SYMTAB], 1) else self.bias
        count = self._symbol_count({tag: value - bias for tag, value in tags.items()})
        table = self.read(tags[_DT_SYMTAB] - bias, min(count * _SYMBOL.size, MAX_TABLE))
        names = self.read(tags[_DT_STRTAB] - bias, min(tags[_DT_STRSZ], MAX_TABLE))
        yield table, lambda at: _text(names[at : at + MAX_NAME])

    def _symbol_count(self, tags: dict[int, int]) -> int:
        if _DT_HASH in tags:
            return int.from_bytes(self.read(tags[_DT_HASH] + 4, 4), "little")
        head = self.read(tags.get(_DT_GNU_HASH, 0), 16)
        if len(head) < 16:
            return 0
        buckets, first, bloom, _ = struct.unpack("<4I", head)
        at = tags[_DT_GNU_HASH] + 16 + bloom * 8
        raw = self.read(at, min(buckets * 4, MAX_TABLE))
        last = max((row[0] for row in struct.iter_unpack("<I", raw[: len(raw) // 4 * 4])), default=0)
        if last < first:
            return int(first)
        chain = self.read(at + buckets * 4 + (last - first) * 4, 1 << 16)
        ends = (place for place in range(0, len(chain) - 3, 4) if chain[place] & 1)
        return int(last + next(ends, 0) // 4 + 1)

    def _table(self, row: struct.Struct, offset: int, count: int) -> Iterator[tuple[int, ...]]:
        raw = bytes(self._data[offset : offset + min(count, MAX_HEADERS) * row.size])
        return row.iter_unpack(raw[: len(raw) // row.size * row.size])

    def _string(self, start: int, size: int, at: int) -> str:
        if at >= size:
            return ""
        return _text(bytes(self._data[start + at : start + min(size, at + MAX_NAME)]))


class _Search:
    """Matches symbols with wanted addresses in one pass over each table, so that none is kept whole."""

    def __init__(self, wanted: list[int]) -> None:
        self._wanted = wanted
        self._steps = MAX_STEPS
        self._covering: dict[int, _Match] = {}
        self._nearest: dict[int, _Match] = {}

    def look(self, table: bytes, names: Callable[[int], str]) -> None:
        wanted, whole = self._wanted, len(table) // _SYMBOL.size * _SYMBOL.size
        for name, info, _, section, start, size in _SYMBOL.iter_unpack(memoryview(table)[:whole]):
            if not section or info & 0xF not in _FUNCTIONS:
                continue
            first = bisect_left(wanted, start)
            if first == len(wanted):
                continue
            rank = (start, bool(info & 0xF), info >> 4 in _PUBLIC)
            match = (rank, Symbol(start=start, size=size), name, names)
            _keep(self._nearest, wanted[first], match)
            last = bisect_right(wanted, start + size - 1) if size else first
            for address in wanted[first : min(last, first + self._steps)]:
                _keep(self._covering, address, match)
            self._steps -= max(0, last - first)
            if self._steps <= 0:
                return

    def results(self) -> dict[int, tuple[Symbol, int, Callable[[int], str]]]:
        """By address: the covering symbol, else the nearest before it."""
        found: dict[int, tuple[Symbol, int, Callable[[int], str]]] = {}
        nearest: _Match | None = None
        for address in self._wanted:
            here = self._nearest.get(address)
            nearest = here if here and (nearest is None or here[0] >= nearest[0]) else nearest
            if match := self._covering.get(address):
                found[address] = match[1:]
            elif nearest:
                found[address] = (replace(nearest[1], covering=False), *nearest[2:])
        return found


_Match = tuple[tuple[int, bool, bool], Symbol, int, Callable[[int], str]]


def _keep(found: dict[int, _Match], address: int, match: _Match) -> None:
    known = found.get(address)
    if known is None or match[0] > known[0] or (match[0] == known[0] and _is_plainer(match, known)):
        found[address] = match


def _is_plainer(match: _Match, known: _Match) -> bool:
    """Of the names of one function the shortest is its plain one: free, not cfree or __libc_free."""
    return len(match[3](match[2])) < len(known[3](known[2]))


def map_object(path: Path) -> ObjectFile:
    """Map a file, for as long as the object lives; raises CoreError, or OSError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return ObjectFile(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as error:
        raise CoreError(f"{path.name} is empty", hint="its symbols are not used") from error


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
