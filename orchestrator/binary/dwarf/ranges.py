"""The code of units, functions and inlined calls, by DWARF (.debug_aranges and range lists)."""

import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from orchestrator.binary.dwarf.entries import LOW_PC, Attributes, Dwarf, Unit
from orchestrator.binary.dwarf.forms import ADDR, ADDRX
from orchestrator.binary.dwarf.leb128 import uleb128

HIGH_PC, RANGES, _LISTS_BASE = 0x12, 0x55, 0x74  # DW_AT_high_pc, DW_AT_ranges, DW_AT_rnglists_base
_GNU_BASE: Final = 0x2132  # DW_AT_GNU_ranges_base
_LISTX: Final = 0x23  # DW_FORM_rnglistx
_LISTS_HEADER: Final = 12
_PAIR: Final = struct.Struct("<QQ")
_U32, _U64 = struct.Struct("<I").unpack_from, struct.Struct("<Q").unpack_from
_BASE_FOLLOWS: Final = (1 << 64) - 1  # in .debug_ranges: the pair's second number is a new base
# DW_RLE_base_addressx, startx_endx, startx_length, offset_pair, base_address, start_end and start_length.
_BASEX, _STARTX_ENDX, _STARTX_LENGTH, _OFFSETS, _BASE, _START_END, _START_LENGTH = range(1, 8)

# First address, and the one behind the last.
Range = tuple[int, int]


def spans(dwarf: Dwarf, unit: Unit, attributes: Attributes) -> list[Range] | None:
    """The code of an entry, beginning with the range of its entry point; None where it has no code."""
    if RANGES in attributes:
        read = _old if unit.version < 5 else _new
        return list(read(dwarf, unit, attributes[RANGES]))
    if LOW_PC not in attributes or HIGH_PC not in attributes:
        return None
    low, high = dwarf.address(unit, attributes[LOW_PC]), attributes[HIGH_PC]
    absolute = high[0] == ADDR or high[0] in ADDRX
    return [(low, dwarf.address(unit, high) if absolute else low + dwarf.number(high))]


def units_at(dwarf: Dwarf, addresses: frozenset[int]) -> dict[int, Unit]:
    """The unit of each address: by .debug_aranges, else by the units' own ranges."""
    found = {address: unit for address, at in _listed(dwarf, addresses) if (unit := dwarf.unit(at))}
    left = sorted(addresses - found.keys())
    for unit in dwarf.units() if left else ():
        for low, high in spans(dwarf, unit, unit.top) or ():
            found |= dict.fromkeys(_between(left, low, high), unit)
    return found


def _between(ordered: list[int], low: int, high: int) -> list[int]:
    return ordered[bisect_left(ordered, low) : bisect_left(ordered, high)]


def _listed(dwarf: Dwarf, addresses: frozenset[int]) -> Iterator[tuple[int, int]]:
    data, place, ordered = dwarf.aranges, 0, sorted(addresses)
    while ordered and place + 12 <= len(data):
        end = place + 4 + int(_U32(data, place)[0])
        unit, at = int(_U32(data, place + 6)[0]), place + 16
        pairs = max(0, min(end, len(data)) - at) // _PAIR.size
        dwarf.spend(1 + pairs)
        for low, size in _PAIR.iter_unpack(data[at : at + pairs * _PAIR.size]):
            if low <= ordered[-1] and ordered[0] < low + size:  # few ranges are near
                yield from ((address, unit) for address in _between(ordered, low, low + size))
            elif not low and not size:
                break
        place = end


def _old(dwarf: Dwarf, unit: Unit, attribute: tuple[int, int | bytes]) -> Iterator[Range]:
    place, base, data = dwarf.number(attribute), unit.low, dwarf.ranges
    if skeleton := dwarf.skeleton:
        # Those of a split unit lie in the program, from the place on that the skeleton says.
        place += dwarf.number(skeleton.top.get(_GNU_BASE, (0, 0)))
        data = skeleton.dwarf.ranges
    while True:
        dwarf.spend()
        low, high = _PAIR.unpack_from(data, place)
        place += _PAIR.size
        if low == high == 0:
            return
        if low == _BASE_FOLLOWS:
            base = high
        else:
            yield low + base, high + base


def _new(dwarf: Dwarf, unit: Unit, attribute: tuple[int, int | bytes]) -> Iterator[Range]:
    data, place, base = dwarf.range_lists, dwarf.number(attribute), unit.low
    if attribute[0] == _LISTX:
        table = dwarf.number(unit.top[_LISTS_BASE]) if _LISTS_BASE in unit.top else _LISTS_HEADER
        place = table + int(_U32(data, table + 4 * place)[0])
    while kind := data[place]:
        dwarf.spend()
        place += 1
        if kind in (_BASE, _START_END, _START_LENGTH):
            first, place = int(_U64(data, place)[0]), place + 8
        else:
            first, place = uleb128(data, place)
            first = base + first if kind == _OFFSETS else dwarf.indexed(unit, first)
        if kind in (_BASE, _BASEX):
            base = first
            continue
        if kind == _START_END:
            second, place = int(_U64(data, place)[0]), place + 8
        else:
            second, place = uleb128(data, place)
        if kind == _STARTX_ENDX:
            second = dwarf.indexed(unit, second)
        elif kind == _OFFSETS:
            second += base
        elif kind in (_STARTX_LENGTH, _START_LENGTH):
            second += first
        yield first, second
