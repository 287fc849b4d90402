"""The part of DWARF that names and lines of addresses need: units, and single entries (DIEs).

Reads versions 2 to 5 in their 32-bit format, of 64-bit programs; the numbers are DWARF 5's (section 7).
Reading starts where an address leads, so that of libpython's 11 MB some kilobytes are read. The files are
untrusted: damage raises one of DAMAGE, and the steps that one file may take are counted.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orchestrator.binary.dwarf.forms import (
    ADDRX,
    IMPLICIT_CONST,
    LEBS,
    LINE_STRP,
    REF_ADDR,
    REF_ALT,
    SIZES,
    STRING,
    STRP_ALT,
    STRX,
    Abbreviation,
    Abbreviations,
    end_of_value,
    read_abbreviations,
)
from orchestrator.binary.dwarf.leb128 import uleb128
from orchestrator.binary.dwarf.sections import Sections, Steps

# Entries, attributes, ranges and rows of lines that are read of one file; a stack takes some thousands.
MAX_STEPS: Final = 2_000_000
# What reading raises for damaged sections; UnicodeDecodeError is a ValueError.
DAMAGE: Final = (struct.error, ValueError, KeyError, IndexError, TypeError, OverflowError)

LOW_PC: Final = 0x11  # DW_AT_low_pc
_STR_BASE: Final = 0x72  # DW_AT_str_offsets_base
_ADDR_BASES: Final = (0x73, 0x2133)  # DW_AT_addr_base, DW_AT_GNU_addr_base
_GNU_ID: Final = 0x2131  # DW_AT_GNU_dwo_id, which DWARF 5 has in the header of the unit
_TYPE_UNITS, _SPLIT_UNITS = (2, 6), (4, 5)  # DW_UT_type, split_type; skeleton, split_compile
_U16, _U32, _U64 = (struct.Struct(f"<{letter}").unpack_from for letter in "HIQ")

# By the attribute's number (DW_AT_*): its form, and the value as written.
Attributes = dict[int, tuple[int, int | bytes]]


@dataclass(slots=True)
class Unit:
    """A unit of .debug_info, from `offset` to `end`; its first entry, at `start`, has the attributes `top`.

    `below` is where that entry's children begin (0 for a unit of types only), `low` its DW_AT_low_pc.
    `split_id` is what a skeleton and its split unit have in common.
    """

    dwarf: "Dwarf"
    offset: int
    start: int
    end: int
    version: int
    abbreviations: int
    top: Attributes = field(default_factory=dict)
    below: int = 0
    low: int = 0
    split_id: int | None = None


class Dwarf:
    """The debug information of one file, or of one split unit; addresses of the latter are in its `main`."""

    def __init__(
        self,
        sections: Sections,
        *,
        steps: Steps | None = None,
        alternate: "Dwarf | None" = None,
        skeleton: "Unit | None" = None,
    ) -> None:
        """`alternate` is of the file that dwz(1) moved shared entries to; `skeleton` that of a split unit."""
        self.sections, self.alternate, self.skeleton = sections, alternate, skeleton
        self._tables: dict[int, Abbreviations] = {}
        self._units: dict[int, Unit] = {}
        self.steps: Steps = skeleton.dwarf.steps if skeleton else steps or Steps(MAX_STEPS)
        self.spend = self.steps.spend

    info = cached_property(lambda self: self.sections.get("info"))
    line = cached_property(lambda self: self.sections.get("line"))
    _abbrev = cached_property(lambda self: self.sections.get("abbrev"))
    aranges = cached_property(lambda self: self.sections.get("aranges"))
    _strings = cached_property(lambda self: self.sections.get("str"))
    _line_strings = cached_property(lambda self: self.sections.get("line_str"))
    _offsets = cached_property(lambda self: self.sections.get("str_offsets"))
    _addresses = cached_property(lambda self: self.sections.get("addr"))
    ranges = cached_property(lambda self: self.sections.get("ranges"))
    range_lists = cached_property(lambda self: self.sections.get("rnglists"))

    @cached_property
    def _begins(self) -> list[int]:
        """The offsets of all units."""
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
        """The unit that contains the entry at an offset; None for one of types only."""
        return self.unit(self._begins[bisect_right(self._begins, offset) - 1])

    def unit(self, offset: int) -> Unit | None:
        """The unit that begins at an offset; None for one of types only."""
        if offset not in self._units:
            self._units[offset] = self._read_unit(offset)
        unit = self._units[offset]
        return unit if unit.below else None

    def _read_unit(self, offset: int) -> Unit:
        info = self.info
        size, version = _U32(info, offset)[0], _U16(info, offset + 4)[0]
        end = offset + 4 + size
        if not 2 <= version <= 5 or end > len(info):
            raise ValueError("a unit of an unknown version, or one that is cut off")
        if version < 5:
            return self._begin(Unit(self, offset, offset + 11, end, version, _U32(info, offset + 6)[0]))
        kind = info[offset + 6]
        start = offset + 12 + (8 if kind in _SPLIT_UNITS else 12 if kind in _TYPE_UNITS else 0)
        unit = Unit(self, offset, start, end, version, _U32(info, offset + 8)[0])
        if kind in _SPLIT_UNITS:
            unit.split_id = _U64(info, offset + 12)[0]
        return unit if kind in _TYPE_UNITS else self._begin(unit)

    def _begin(self, unit: Unit) -> Unit:
        """Read the unit's first entry."""
        abbreviation, place = self.abbreviation(unit, unit.start)
        if abbreviation is None:
            raise ValueError("a unit without entries")
        unit.top, unit.below = self.attributes(abbreviation, place)
        if LOW_PC in unit.top:
            unit.low = self.address(unit, unit.top[LOW_PC])
        elif self.skeleton:
            unit.low = self.skeleton.low
        if unit.version < 5 and _GNU_ID in unit.top:
            unit.split_id = self.number(unit.top[_GNU_ID])
        return unit

    def abbreviation(self, unit: Unit, place: int) -> tuple[Abbreviation | None, int]:
        """The abbreviation of the entry at a place, and where its attributes begin; None ends a list."""
        code, place = uleb128(self.info, place)
        return (self._abbreviations(unit)[code] if code else None), place

    def _abbreviations(self, unit: Unit) -> Abbreviations:
        offset = unit.abbreviations
        if offset not in self._tables:
            self._tables[offset] = Abbreviations(read_abbreviations(self._abbrev, offset, self.spend))
        return self._tables[offset]

    def skip(self, abbreviation: Abbreviation, place: int) -> int:
        """Where the attributes of an entry end."""
        info = self.info
        for fixed, form in abbreviation.skip:
            place += fixed
            if form:
                place = end_of_value(form, info, place)
        return place

    def attributes(self, abbreviation: Abbreviation, place: int) -> tuple[Attributes, int]:
        """The attributes that begin at a place, and where they end."""
        self.spend(1 + len(abbreviation.attributes))
        info, found = self.info, {}
        for name, form, constant in abbreviation.attributes:
            value: int | bytes = constant
            if form in LEBS:
                value, place = uleb128(info, place)
            elif form in SIZES:
                end = place + SIZES[form]
                value = int.from_bytes(info[place:end], "little") if form != IMPLICIT_CONST else constant
                place = end
            else:
                end = end_of_value(form, info, place)
                value, place = info[place : end - 1] if form == STRING else 0, end
            found[name] = (form, value)
        return found, place

    def number(self, attribute: tuple[int, int | bytes]) -> int:
        """The value of an attribute that is a number; raises TypeError for a string."""
        value = attribute[1]
        if not isinstance(value, int):
            raise TypeError("a string where a number belongs")
        return value

    def text(self, unit: Unit, attribute: tuple[int, int | bytes]) -> str:
        """The value of an attribute that is a string, whichever section holds it."""
        form, value = attribute
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        table = self._line_strings if form == LINE_STRP else self._strings
        if form in STRP_ALT:
            table = self._shared.sections.get("str")
        elif form in STRX:
            base = self.number(unit.top[_STR_BASE]) if _STR_BASE in unit.top else 8 * (unit.version >= 5)
            value = _U32(self._offsets, base + 4 * value)[0]
        return str(table[value : table.index(0, value)], errors="replace")

    @property
    def _shared(self) -> "Dwarf":
        if self.alternate is None:
            raise ValueError("a reference to a file that is not there")
        return self.alternate

    def referred(self, unit: Unit, attribute: tuple[int, int | bytes]) -> tuple["Dwarf", int]:
        """The place of the entry that an attribute refers to, and the information that has it."""
        form, place = attribute[0], self.number(attribute)
        if form in REF_ALT:
            return self._shared, place
        return self, place + (0 if form == REF_ADDR else unit.offset)

    def address(self, unit: Unit, attribute: tuple[int, int | bytes]) -> int:
        """The value of an attribute that is an address."""
        value = self.number(attribute)
        return self.indexed(unit, value) if attribute[0] in ADDRX else value

    def indexed(self, unit: Unit, index: int) -> int:
        """An address by its number in the unit's part of .debug_addr, which stays in the program."""
        if self.skeleton:
            return self.skeleton.dwarf.indexed(self.skeleton, index)
        base = next((self.number(unit.top[name]) for name in _ADDR_BASES if name in unit.top), 8)
        return int(_U64(self._addresses, base + 8 * index)[0])
