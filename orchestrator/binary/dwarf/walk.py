"""The entries of a unit, one after the other, with what they contain."""

from collections.abc import Iterator
from typing import Final

from orchestrator.binary.dwarf.entries import Attributes, Unit
from orchestrator.binary.dwarf.forms import SIBLING, Abbreviation

# DW_TAG_*
SUBPROGRAM: Final = 0x2E
INLINED: Final = 0x1D
LEXICAL_BLOCK: Final = 0x0B
NAMESPACE: Final = 0x39
SCOPES: Final = frozenset({NAMESPACE, 0x02, 0x13, 0x17})  # and class, structure and union

ORIGINS: Final = (0x31, 0x47)  # DW_AT_abstract_origin, DW_AT_specification
# References from entry to entry that are followed.
MAX_ORIGINS: Final = 8


def walk(
    unit: Unit, place: int, *, enter: frozenset[int] = frozenset(), descend: bool = False
) -> Iterator[tuple[Abbreviation, int, int]]:
    """The entries from a place on, where their attributes begin, and their depth below the first list.

    The children of an entry that says where its sibling is are left out, except those of tags to `enter`,
    or all with `descend`.
    """
    dwarf, end = unit.dwarf, unit.end
    depth = 0
    while place < end:
        kind, place = dwarf.abbreviation(unit, place)
        dwarf.spend()
        if kind is None:
            depth -= 1
            if depth < 0:
                return
            continue
        yield kind, place, depth
        if kind.children and kind.sibling and not descend and kind.tag not in enter:
            attributes, after = dwarf.attributes(kind, place)
            place = unit.offset + dwarf.number(attributes[SIBLING])
            if place < after:
                raise ValueError("an entry whose sibling lies before it")
        else:
            place = dwarf.skip(kind, place)
            depth += kind.children


def follow(unit: Unit, origin: tuple[int, int | bytes]) -> tuple[Unit, int, Attributes]:
    """The entry that an attribute refers to: its unit, where its attributes begin, and these."""
    dwarf, place = unit.dwarf.referred(unit, origin)
    unit = dwarf.unit_of(place) or unit
    kind, place = dwarf.abbreviation(unit, place) if unit.dwarf is dwarf else (None, place)
    if kind is None:
        raise ValueError("a reference to no entry")
    return unit, place, dwarf.attributes(kind, place)[0]
