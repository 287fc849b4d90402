"""Forms of attributes and abbreviations of entries (DWARF 5, 7.5): the layout of .debug_info."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.dwarf.leb128 import sleb128, uleb128

# DW_FORM_*
ADDR, STRING, DATA16, STRP, LINE_STRP, UDATA, REF_ADDR = 0x01, 0x08, 0x1E, 0x0E, 0x1F, 0x0F, 0x10
BLOCK, BLOCK1, BLOCK2, BLOCK4, EXPRLOC, IMPLICIT_CONST = 0x09, 0x0A, 0x03, 0x04, 0x18, 0x21
# The last of each is GNU's, of split DWARF 4 or of dwz: DW_FORM_GNU_addr_index and so on.
ADDRX: Final = frozenset({0x1B, 0x29, 0x2A, 0x2B, 0x2C, 0x1F01})
STRX: Final = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28, 0x1F02})
STRP_ALT: Final = frozenset({0x1D, 0x1F21})
REF_ALT: Final = frozenset({0x1C, 0x24, 0x1F20})
# Bytes of the forms of a fixed size.
SIZES: Final = {
    0x01: 8, 0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x0E: 4, 0x10: 4, 0x11: 1, 0x12: 2, 0x13: 4,
    0x14: 8, 0x17: 4, 0x19: 0, 0x1D: 4, 0x1E: 16, 0x1F: 4, 0x20: 8, 0x21: 0, 0x25: 1, 0x26: 2,
    0x24: 8, 0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4, 0x1F20: 4, 0x1F21: 4,
}  # fmt: skip
# Forms that are a LEB128 number: sdata, udata, ref_udata, strx, addrx, loclistx, rnglistx, and GNU's indices.
LEBS: Final = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02})
# Bytes of the length before the forms block1, block2 and block4.
_BLOCK_LENGTHS: Final = {BLOCK1: 1, BLOCK2: 2, BLOCK4: 4}
SIBLING: Final = 0x01  # DW_AT_sibling


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """The tag and attributes that entries of one code have.

    `attributes`: number, form, and the value of an implicit constant, of each. `skip`: how to get over them
    quickly, by pairs of a number of bytes and the form of variable size that follows (0 for none).
    """

    tag: int
    children: bool
    attributes: tuple[tuple[int, int, int], ...]
    skip: tuple[tuple[int, int], ...]
    sibling: bool


class Abbreviations(dict[int, Abbreviation]):
    """The abbreviations of a unit by code, read on demand: of most units only the first entry is."""

    def __init__(self, rest: Iterator[tuple[int, Abbreviation]]) -> None:
        super().__init__()
        self._rest = rest

    def __missing__(self, code: int) -> Abbreviation:
        for known, kind in self._rest:
            self[known] = kind
            if known == code:
                return kind
        raise KeyError(code)


def read_abbreviations(
    data: bytes, place: int, spend: Callable[[], None]
) -> Iterator[tuple[int, Abbreviation]]:
    """The codes and abbreviations from `place` of .debug_abbrev on; `spend` is called for each form."""
    while True:
        code, place = uleb128(data, place)
        if not code:
            return
        tag, place = uleb128(data, place)
        children, place = bool(data[place]), place + 1
        attributes = []
        while True:
            spend()
            name, place = uleb128(data, place)
            form, place = uleb128(data, place)
            if not name and not form:
                break
            constant = 0
            if form == IMPLICIT_CONST:
                constant, place = sleb128(data, place)
            attributes.append((name, form, constant))
        has_sibling = any(name == SIBLING for name, *_ in attributes)
        yield code, Abbreviation(tag, children, tuple(attributes), _skip_plan(attributes), has_sibling)


def end_of_value(form: int, data: bytes, place: int) -> int:
    """Where a value of a form of variable size ends; raises KeyError for an unknown form."""
    if form in LEBS:
        return uleb128(data, place)[1]
    if form == STRING:
        return data.index(0, place) + 1
    if form in (BLOCK, EXPRLOC):
        size, place = uleb128(data, place)
        return place + size
    width = _BLOCK_LENGTHS[form]
    return place + width + int.from_bytes(data[place : place + width], "little")


def _skip_plan(attributes: list[tuple[int, int, int]]) -> tuple[tuple[int, int], ...]:
    plan, fixed = [], 0
    for _, form, _ in attributes:
        if form in SIZES:
            fixed += SIZES[form]
        else:
            plan.append((fixed, form))
            fixed = 0
    return (*plan, (fixed, 0))
