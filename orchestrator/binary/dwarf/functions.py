"""What code belongs to: the function, and the calls that the compiler inlined into it, by DWARF.

A debugger shows a frame for each inlined call, though the stack has none. Of each call this tells what gdb
does: the function's name, where in the source the code is, and where the function is entered.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from orchestrator.binary.dwarf.entries import (
    DAMAGE,
    LOW_PC,
    REF_ADDR,
    SIBLING,
    Abbreviation,
    Attributes,
    Dwarf,
    Unit,
)
from orchestrator.binary.dwarf.lines import Line, LineTable
from orchestrator.binary.dwarf.ranges import Range, spans, units_at
from orchestrator.binary.elf.objectfile import ObjectFile

_SUBPROGRAM, _INLINED, _BLOCK, _NAMESPACE = 0x2E, 0x1D, 0x0B, 0x39
_NAME, _LINKAGE_NAMES, _ORIGINS = 0x03, (0x6E, 0x2007), (0x31, 0x47)
"""DW_AT_linkage_name and its GNU forerunner; DW_AT_abstract_origin and DW_AT_specification."""
_CALL_FILE, _CALL_LINE = 0x58, 0x59
_CALL_SITES, _TAIL_FLAGS, _RETURNS, _CALL_ORIGINS = (
    (0x48, 0x4109),
    (0x82, 0x2115),
    (0x7D, LOW_PC),
    (0x7F, 0x31),
)
"""DW_TAG_call_site, DW_AT_call_tail_call, _call_return_pc and _call_origin, each with its GNU forerunner."""
_DECLARATION: Final = 0x3C
_LANGUAGE: Final = 0x13
_SCOPES: Final = frozenset({_NAMESPACE, 0x02, 0x13, 0x17})
"""DW_TAG_* of namespaces, classes, structures and unions."""
UNNAMED: Final = "(anonymous namespace)"
MAX_ORIGINS: Final = 8


class Language(Enum):
    """What a function is written in, as far as names go."""

    C = "C, or assembly"
    CPP = "C++"
    OTHER = "another"


_LANGUAGES: Final = dict.fromkeys((0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x8001), Language.C) | dict.fromkeys(
    (0x04, 0x1A, 0x21, 0x2B), Language.CPP
)
"""By DW_LANG_*."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function that code is part of. `name` is the linker's where there is one.

    `entry`: where the function, or an inlined copy of it, begins. `line`: where in it the code is.
    """

    name: str
    entry: int
    line: Line | None
    inlined: bool
    language: Language


class Leads(Enum):
    """What debug information says of where a call leads."""

    DEFINED = "to a function with code of this file"
    DECLARED = "to a name, which the linker knows"
    ABSTRACT = "to a function that has no code here, though it may elsewhere"
    UNSAID = "nothing"


@dataclass(frozen=True, kw_only=True)
class CallSite:
    """A call, by the address behind it. `tail`: a jump that ends the caller; `name`: what is declared."""

    behind: int
    tail: bool
    leads: Leads
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Code:
    """What is known of an address: its calls, innermost first, and of assembly its line alone."""

    calls: tuple[Call, ...]
    line: Line | None

    def moved(self, bias: int) -> "Code":
        """The same where it was loaded."""
        return replace(self, calls=tuple(replace(call, entry=call.entry + bias) for call in self.calls))


class DebugInfo:
    """The debug information of one file, if it has any. `damaged`: some of it could not be read."""

    def __init__(self, source: ObjectFile, deadline: float) -> None:
        """No further unit is read after the deadline, which is one of time.monotonic()."""
        self.source = source
        self._dwarf = Dwarf(source)
        self._deadline = deadline
        self.damaged = False

    def find(self, addresses: Collection[int]) -> dict[int, Code]:
        """What is known of addresses as linked."""
        found: dict[int, Code] = {}
        for functions, wanted in self._by_unit(addresses):
            try:
                found |= functions.find(wanted)
            except DAMAGE:
                self.damaged = True
        return found

    def sites(self, address: int) -> tuple[CallSite, ...]:
        """The calls that the function at an address makes."""
        for functions, _ in self._by_unit([address]):
            try:
                return tuple(functions.sites(address))
            except DAMAGE:
                self.damaged = True
        return ()

    def _by_unit(self, addresses: Collection[int]) -> Iterator[tuple["_Functions", set[int]]]:
        units: dict[int, tuple[Unit, set[int]]] = {}
        try:
            for address, unit in units_at(self._dwarf, frozenset(addresses)).items():
                units.setdefault(unit.offset, (unit, set()))[1].add(address)
        except DAMAGE:
            self.damaged = True
        for unit, wanted in units.values():
            if time.monotonic() > self._deadline:
                self.damaged = True
                return
            yield _Functions(self._dwarf, unit), wanted


@dataclass(frozen=True)
class _Entry:
    """An entry with code: a function or an inlined call."""

    place: int
    attributes: Attributes
    parts: list[Range]


class _Functions:
    """The functions of one unit."""

    def __init__(self, dwarf: Dwarf, unit: Unit) -> None:
        self._dwarf, self._unit = dwarf, unit

    def find(self, wanted: set[int]) -> dict[int, Code]:
        """What this unit knows of addresses."""
        table = LineTable(self._dwarf, self._unit)
        lines = table.find(wanted)
        found = {address: Code(calls=(), line=line) for address, line in lines.items()}
        for entry, below in self._functions():
            for address in wanted:
                if _has(entry.parts, address):
                    chain = [entry, *self._inlined(below, address)] if below else [entry]
                    line = lines.get(address)
                    found[address] = Code(calls=tuple(self._calls(chain, line, table)), line=line)
        return found

    def sites(self, address: int) -> Iterator[CallSite]:
        """The calls of the function at an address, inlined ones left out."""
        below = next((at for found, at in self._functions() if _has(found.parts, address)), 0)
        for kind, place, _ in self._walk(below, descend=True) if below else ():
            if kind.tag in _CALL_SITES:
                attributes, _ = self._dwarf.attributes(kind, place)
                behind = next((attributes[name] for name in _RETURNS if name in attributes), None)
                if behind:
                    tail = any(flag in attributes for flag in _TAIL_FLAGS)
                    leads, name = self._target(attributes)
                    at = self._dwarf.address(self._unit, behind)
                    yield CallSite(behind=at, tail=tail, leads=leads, name=name)

    def _target(self, attributes: Attributes) -> tuple[Leads, str | None]:
        """Where a call leads; what one entry does not say, the one that it comes from may."""
        origin = next((attributes[item] for item in _CALL_ORIGINS if item in attributes), None)
        if origin is None:
            return Leads.UNSAID, None
        unit = self._unit
        for _ in range(MAX_ORIGINS):
            unit, place, found = self._follow(unit, origin)
            if _DECLARATION in found:
                return Leads.DECLARED, self._name(_Entry(place, found, []), unit)[0]
            if spans(self._dwarf, unit, found) is not None:
                return Leads.DEFINED, None
            origin = next((found[item] for item in _ORIGINS if item in found), None)
            if origin is None:
                break
        return Leads.ABSTRACT, None

    def _follow(self, unit: Unit, origin: tuple[int, int | bytes]) -> tuple[Unit, int, Attributes]:
        """The entry that an attribute refers to: its unit, where its attributes begin, and these."""
        place = self._dwarf.number(origin) + (0 if origin[0] == REF_ADDR else unit.offset)
        unit = self._dwarf.unit_of(place) or unit
        kind, place = self._dwarf.abbreviation(unit, place)
        if kind is None:
            raise ValueError("a reference to nothing")
        return unit, place, self._dwarf.attributes(kind, place)[0]

    def _calls(self, chain: list[_Entry], line: Line | None, table: LineTable) -> Iterator[Call]:
        """From the innermost inlined call outwards."""
        for number, entry in reversed(list(enumerate(chain))):
            name, language = self._name(entry, self._unit)
            yield Call(name=name, entry=entry.parts[0][0], line=line, inlined=number > 0, language=language)
            line = self._called_at(entry.attributes, table)

    def _called_at(self, attributes: Attributes, table: LineTable) -> Line | None:
        if _CALL_FILE not in attributes or _CALL_LINE not in attributes:
            return None
        file = table.file(self._dwarf.number(attributes[_CALL_FILE]))
        line = self._dwarf.number(attributes[_CALL_LINE])
        return Line(file=file, line=line) if file and line else None

    def _name(self, entry: _Entry, unit: Unit) -> tuple[str, Language]:
        """The name of a function, which may stand where it is declared, and what it is written in."""
        place, attributes = entry.place, entry.attributes
        for _ in range(MAX_ORIGINS):
            language = _LANGUAGES.get(self._dwarf.number(unit.top.get(_LANGUAGE, (0, 0))), Language.OTHER)
            linkage = next((attributes[name] for name in _LINKAGE_NAMES if name in attributes), None)
            if linkage:
                return self._dwarf.text(unit, linkage), language
            if _NAME in attributes:
                name = self._dwarf.text(unit, attributes[_NAME])
                cpp = language is Language.CPP
                scopes = _Functions(self._dwarf, unit)._scopes(place) if cpp else []  # noqa: SLF001 - its own
                return "::".join([*scopes, name]), language
            origin = next((attributes[item] for item in _ORIGINS if item in attributes), None)
            if origin is None:
                break
            unit, place, attributes = self._follow(unit, origin)
        raise ValueError("a function without a name")

    def _scopes(self, place: int) -> list[str]:
        """The names of the namespaces and classes around an entry, outermost first."""
        around: list[tuple[Abbreviation, int]] = []
        for kind, at, depth in self._walk(self._unit.below, enter=_SCOPES):
            del around[depth:]
            if at == place:
                found = [self._dwarf.attributes(*item)[0] for item in around if item[0].tag in _SCOPES]
                return [self._scope(attributes) for attributes in found]
            around.append((kind, at))
        raise ValueError("an entry that is nowhere")

    def _scope(self, attributes: Attributes) -> str:
        return self._dwarf.text(self._unit, attributes[_NAME]) if _NAME in attributes else UNNAMED

    def _functions(self) -> Iterator[tuple[_Entry, int]]:
        """All functions with code, and where their children begin (0 for none)."""
        for kind, place, _ in self._walk(self._unit.below, enter=_SCOPES):
            if kind.tag == _SUBPROGRAM:
                attributes, below = self._dwarf.attributes(kind, place)
                if parts := spans(self._dwarf, self._unit, attributes):
                    yield _Entry(place, attributes, parts), below if kind.children else 0

    def _inlined(self, place: int, address: int) -> list[_Entry]:
        """The inlined calls among an entry's children that an address lies in, outermost first."""
        for kind, at, _ in self._walk(place):
            if kind.tag not in (_INLINED, _BLOCK):
                continue
            attributes, below = self._dwarf.attributes(kind, at)
            parts = spans(self._dwarf, self._unit, attributes)
            if parts is not None and not _has(parts, address):
                continue
            deeper = self._inlined(below, address) if kind.children else []
            if parts is not None:
                return [_Entry(at, attributes, parts), *deeper] if kind.tag == _INLINED else deeper
            if deeper:
                return deeper
        return []

    def _walk(
        self, place: int, *, enter: frozenset[int] = frozenset(), descend: bool = False
    ) -> Iterator[tuple[Abbreviation, int, int]]:
        """The entries from a place on, where their attributes begin, and how deep they lie in the list.

        Their own children are left out where an entry says where the next one is, but those of kinds to
        `enter`, or all of them to `descend`.
        """
        dwarf, end = self._dwarf, self._unit.end
        depth = 0
        while place < end:
            kind, place = dwarf.abbreviation(self._unit, place)
            dwarf.spend()
            if kind is None:
                depth -= 1
                if depth < 0:
                    return
                continue
            yield kind, place, depth
            if kind.children and kind.sibling and not descend and kind.tag not in enter:
                attributes, after = dwarf.attributes(kind, place)
                place = self._unit.offset + dwarf.number(attributes[SIBLING])
                if place < after:
                    raise ValueError("an entry that leads back")
            else:
                place = dwarf.skip(kind, place)
                depth += kind.children


def _has(parts: list[Range], address: int) -> bool:
    return any(low <= address < high for low, high in parts)
