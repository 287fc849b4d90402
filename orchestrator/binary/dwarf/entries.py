"""DWARF as far as names and lines of addresses take it: units, and the entries (DIEs) that are asked for.

Versions 2 to 5 in their 32-bit format, of 64-bit programs; the numbers are DWARF 5's (section 7). Reading
starts where an address leads, so that of the 11 MB of libpython some kilobytes are looked at. The files are
untrusted: what is damaged raises one of DAMAGE, and the steps that one file may take are counted.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orchestrator.binary.dwarf.leb128 import sleb128, uleb128
from orchestrator.binary.elf.headers import SHF_COMPRESSED
from orchestrator.binary.elf.objectfile import ObjectFile

MAX_STEPS: Final = 2_000_000
"""Entries, attributes, ranges and rows of lines that are read of one file; a stack takes some thousands."""
MAX_SECTION: Final = 64 << 20
"""Bytes of a section; libpython's .debug_info has 11 MB."""
_CHDR: Final = struct.Struct("<IIQQ")  # Elf64_Chdr of a compressed section: type, reserved, size, alignment
_ZLIB: Final = 1

_U16, _U32, _U64 = (struct.Struct(f"<{letter}").unpack_from for letter in "HIQ")

ADDR, STRING, DATA16, STRP, LINE_STRP, UDATA, REF_ADDR = 0x01, 0x08, 0x1E, 0x0E, 0x1F, 0x0F, 0x10
_SDATA, _BLOCK, _EXPRLOC, _BLOCK1, _BLOCK2, _BLOCK4, _IMPLICIT = 0x0D, 0x09, 0x18, 0x0A, 0x03, 0x04, 0x21
ADDRX: Final = frozenset({0x1B, 0x29, 0x2A, 0x2B, 0x2C})
_STRX: Final = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28})
SIZES: Final = {
    0x01: 8, 0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x0E: 4, 0x10: 4, 0x11: 1, 0x12: 2, 0x13: 4,
    0x14: 8, 0x17: 4, 0x19: 0, 0x1D: 4, 0x1E: 16, 0x1F: 4, 0x20: 8, 0x21: 0, 0x25: 1, 0x26: 2,
    0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4,
}  # fmt: skip
"""Bytes of the forms that always have as many."""
_LEBS: Final = frozenset({_SDATA, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23})
_BLOCKS: Final = {_BLOCK1: 1, _BLOCK2: 2, _BLOCK4: 4}

SIBLING, LOW_PC = 0x01, 0x11
_STR_BASE, _ADDR_BASE = 0x72, 0x73
_TYPE_UNITS, _SPLIT_UNITS = (2, 6), (4, 5)
DAMAGE: Final = (struct.error, ValueError, KeyError, IndexError, TypeError, OverflowError, zlib.error)
"""What reading lets out of damaged sections; UnicodeDecodeError is a ValueError."""

Attributes = dict[int, tuple[int, int | bytes]]
"""By number: form, and the value as it is written."""


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """What an entry of this kind has. `skip`: fixed bytes and forms, to get over its attributes quickly."""

    tag: int
    children: bool
    attributes: tuple[tuple[int, int, int], ...]
    skip: tuple[tuple[int, int], ...]
    sibling: bool


@dataclass(slots=True)
class Unit:
    """A unit of .debug_info: its bytes from `start` (its first entry, `top`) to `end`."""

    offset: int
    start: int
    end: int
    version: int
    abbreviations: int
    top: Attributes = field(default_factory=dict)
    below: int = 0
    """Where its first entry's children begin."""
    low: int = 0


class Dwarf:
    """The debug information of one file."""

    def __init__(self, source: ObjectFile) -> None:
        self._source = source
        self._tables: dict[int, _Kinds] = {}
        self._units: dict[int, Unit] = {}
        self._left = MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Count what is read; raises ValueError where it is more than any real file takes."""
        self._left -= steps
        if self._left < 0:
            raise ValueError("more than any real file has")

    info = cached_property(lambda self: self._section(".debug_info"))
    line = cached_property(lambda self: self._section(".debug_line"))
    _abbrev = cached_property(lambda self: self._section(".debug_abbrev"))
    aranges = cached_property(lambda self: self._section(".debug_aranges"))
    _strings = cached_property(lambda self: self._section(".debug_str"))
    _line_strings = cached_property(lambda self: self._section(".debug_line_str"))
    _offsets = cached_property(lambda self: self._section(".debug_str_offsets"))
    _addresses = cached_property(lambda self: self._section(".debug_addr"))
    ranges = cached_property(lambda self: self._section(".debug_ranges"))
    range_lists = cached_property(lambda self: self._section(".debug_rnglists"))

    def _section(self, name: str) -> bytes:
        section = self._source.section(name)
        raw = self._source.content(section, MAX_SECTION) if section else b""
        if section is None or not section.flags & SHF_COMPRESSED or not raw:
            return raw
        kind, _, size, _ = _CHDR.unpack_from(raw)
        if kind != _ZLIB or size > MAX_SECTION:
            return b""
        return zlib.decompressobj().decompress(raw[_CHDR.size :], size)

    @cached_property
    def _begins(self) -> list[int]:
        """Where the units begin."""
        found, place = [], 0
        while place + 11 < len(self.info):
            self.spend()
            found.append(place)
            place += 4 + int(_U32(self.info, place)[0])
        return found

    def units(self) -> Iterator[Unit]:
        """All compilation units in their order."""
        return filter(None, map(self.unit, self._begins))

    def unit_of(self, offset: int) -> Unit | None:
        """The unit that an entry lies in."""
        return self.unit(self._begins[bisect_right(self._begins, offset) - 1])

    def unit(self, offset: int) -> Unit | None:
        """The unit that begins there; None where it is one of types only."""
        if offset not in self._units:
            self._units[offset] = self._read_unit(offset)
        unit = self._units[offset]
        return unit if unit.below else None

    def _read_unit(self, offset: int) -> Unit:
        info = self.info
        size, version = _U32(info, offset)[0], _U16(info, offset + 4)[0]
        end = offset + 4 + size
        if not 2 <= version <= 5 or end > len(info):
            raise ValueError("a unit of another version, or a cut one")
        if version < 5:
            return self._begin(Unit(offset, offset + 11, end, version, _U32(info, offset + 6)[0]))
        kind = info[offset + 6]
        start = offset + 12 + (8 if kind in _SPLIT_UNITS else 12 if kind in _TYPE_UNITS else 0)
        unit = Unit(offset, start, end, version, _U32(info, offset + 8)[0])
        return unit if kind in _TYPE_UNITS else self._begin(unit)

    def _begin(self, unit: Unit) -> Unit:
        abbreviation, place = self.abbreviation(unit, unit.start)
        if abbreviation is None:
            raise ValueError("a unit without entries")
        unit.top, unit.below = self.attributes(abbreviation, place)
        unit.low = self.address(unit, unit.top[LOW_PC]) if LOW_PC in unit.top else 0
        return unit

    def abbreviation(self, unit: Unit, place: int) -> tuple[Abbreviation | None, int]:
        """The kind of the entry at a place, and where its attributes begin; None ends a list of children."""
        code, place = uleb128(self.info, place)
        return (self.kinds(unit)[code] if code else None), place

    def kinds(self, unit: Unit) -> "_Kinds":
        """The unit's abbreviations by code."""
        table = self._tables.get(unit.abbreviations)
        if table is None:
            table = self._tables[unit.abbreviations] = _Kinds(self._read_kinds(unit.abbreviations))
        return table

    def _read_kinds(self, place: int) -> Iterator[tuple[int, Abbreviation]]:
        data = self._abbrev
        while True:
            code, place = uleb128(data, place)
            if not code:
                return
            tag, place = uleb128(data, place)
            children, place = bool(data[place]), place + 1
            attributes = []
            while True:
                self.spend()
                name, place = uleb128(data, place)
                form, place = uleb128(data, place)
                if not name and not form:
                    break
                constant = 0
                if form == _IMPLICIT:
                    constant, place = sleb128(data, place)
                attributes.append((name, form, constant))
            has_sibling = any(name == SIBLING for name, *_ in attributes)
            yield code, Abbreviation(tag, children, tuple(attributes), _plan(attributes), has_sibling)

    def skip(self, abbreviation: Abbreviation, place: int) -> int:
        """Where the attributes of an entry end."""
        info = self.info
        for fixed, form in abbreviation.skip:
            place += fixed
            if form:
                place = self._end(form, info, place)
        return place

    @staticmethod
    def _end(form: int, data: bytes, place: int) -> int:
        """Where a value of a form without a fixed size ends."""
        if form in _LEBS:
            return uleb128(data, place)[1]
        if form == STRING:
            return data.index(0, place) + 1
        if form in (_BLOCK, _EXPRLOC):
            size, place = uleb128(data, place)
            return place + size
        width = _BLOCKS[form]
        return place + width + int.from_bytes(data[place : place + width], "little")

    def attributes(self, abbreviation: Abbreviation, place: int) -> tuple[Attributes, int]:
        """The attributes that begin at a place, and where they end."""
        self.spend(1 + len(abbreviation.attributes))
        info, found = self.info, {}
        for name, form, constant in abbreviation.attributes:
            value: int | bytes = constant
            if form in _LEBS:
                value, place = uleb128(info, place)
            elif form in SIZES:
                end = place + SIZES[form]
                value = int.from_bytes(info[place:end], "little") if form != _IMPLICIT else constant
                place = end
            else:
                end = self._end(form, info, place)
                value, place = info[place : end - 1] if form == STRING else 0, end
            found[name] = (form, value)
        return found, place

    def number(self, attribute: tuple[int, int | bytes]) -> int:
        """A plain number."""
        value = attribute[1]
        if not isinstance(value, int):
            raise TypeError("a string where a number belongs")
        return value

    def text(self, unit: Unit, attribute: tuple[int, int | bytes]) -> str:
        """A string, wherever it is kept."""
        form, value = attribute
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        table = self._line_strings if form == LINE_STRP else self._strings
        if form in _STRX:
            base = self.number(unit.top[_STR_BASE]) if _STR_BASE in unit.top else 8
            value = _U32(self._offsets, base + 4 * value)[0]
        return str(table[value : table.index(0, value)], errors="replace")

    def address(self, unit: Unit, attribute: tuple[int, int | bytes]) -> int:
        """An address."""
        value = self.number(attribute)
        return self.indexed(unit, value) if attribute[0] in ADDRX else value

    def indexed(self, unit: Unit, index: int) -> int:
        """An address by its number in .debug_addr."""
        base = self.number(unit.top[_ADDR_BASE]) if _ADDR_BASE in unit.top else 8
        return int(_U64(self._addresses, base + 8 * index)[0])


class _Kinds(dict[int, Abbreviation]):
    """Abbreviations by code, read as far as they are asked for: most units' first entry is all that is."""

    def __init__(self, rest: Iterator[tuple[int, Abbreviation]]) -> None:
        super().__init__()
        self._rest = rest

    def __missing__(self, code: int) -> Abbreviation:
        for known, kind in self._rest:
            self[known] = kind
            if known == code:
                return kind
        raise KeyError(code)


def _plan(attributes: list[tuple[int, int, int]]) -> tuple[tuple[int, int], ...]:
    """Fixed bytes and then a form without a fixed size, as often as it takes; 0 is no form."""
    plan, fixed = [], 0
    for _, form, _ in attributes:
        if form in SIZES:
            fixed += SIZES[form]
        else:
            plan.append((fixed, form))
            fixed = 0
    return (*plan, (fixed, 0))
