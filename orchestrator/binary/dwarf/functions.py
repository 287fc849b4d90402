"""The functions of one unit: names, inlined calls, and the calls that a function makes, by DWARF.

A debugger shows a frame for each inlined call, though the stack has none. Of each call this gives what gdb
shows: the function's name, the source line of the code, and the function's entry point.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from orchestrator.binary.dwarf.entries import LOW_PC, Attributes, Unit
from orchestrator.binary.dwarf.lines import Line, LineTable
from orchestrator.binary.dwarf.naming import Language, Naming
from orchestrator.binary.dwarf.ranges import Range, spans
from orchestrator.binary.dwarf.walk import (
    INLINED,
    LEXICAL_BLOCK,
    MAX_ORIGINS,
    ORIGINS,
    SCOPES,
    SUBPROGRAM,
    follow,
    walk,
)

_DECLARATION, _CALL_FILE, _CALL_LINE = 0x3C, 0x58, 0x59  # DW_AT_*
# DW_TAG_call_site, DW_AT_call_tail_call, call_return_pc and call_origin, each with its GNU forerunner.
_CALL_SITES, _TAIL_FLAGS = (0x48, 0x4109), (0x82, 0x2115)
_RETURNS, _CALL_ORIGINS = (0x7D, LOW_PC), (0x7F, 0x31)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function that contains some code, itself or as an inlined copy.

    `name` is the linker's name where there is one, but in Rust the path, as gdb shows it. `entry` is the
    function's (or copy's) entry point, and `line` the source line of the code in it.
    """

    name: str
    entry: int
    line: Line | None
    inlined: bool
    language: Language


class Leads(Enum):
    """The target of a call, by debug information."""

    DEFINED = "a function with code in this file"
    DECLARED = "a name, which the linker resolves"
    ABSTRACT = "a function without code here, which may have some elsewhere"
    UNSAID = "nothing"


@dataclass(frozen=True, kw_only=True)
class CallSite:
    """A call; `behind` is the address after it.

    `tail`: it is a jump that ends the caller. `name`: the target's, where it is only declared.
    """

    behind: int
    tail: bool
    leads: Leads
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Code:
    """The calls at an address, innermost first, and its line; assembly has a line alone."""

    calls: tuple[Call, ...]
    line: Line | None

    def moved(self, bias: int) -> "Code":
        """The same with entry points as loaded."""
        return replace(self, calls=tuple(replace(call, entry=call.entry + bias) for call in self.calls))


@dataclass(frozen=True)
class _Entry:
    """An entry with code: a function or an inlined call. `place` is where its attributes begin."""

    place: int
    attributes: Attributes
    parts: list[Range]


class UnitFunctions:
    """The functions of one unit; reading raises one of entries.DAMAGE where they are damaged.

    All units of a file share its `naming`.
    """

    def __init__(self, unit: Unit, naming: Naming, skeleton: Unit | None = None) -> None:
        """`skeleton` is what the program has of a split unit: lines among others."""
        self._dwarf, self._unit, self._naming = unit.dwarf, unit, naming
        self._skeleton = skeleton

    def find(self, wanted: set[int]) -> dict[int, Code]:
        """The calls and lines of addresses in this unit."""
        table = LineTable(self._skeleton, self._unit) if self._skeleton else LineTable(self._unit)
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
        """The calls that the code of the function at an address makes; an inlined call is none."""
        below = next((at for found, at in self._functions() if _has(found.parts, address)), 0)
        for kind, place, _ in walk(self._unit, below, descend=True) if below else ():
            if kind.tag in _CALL_SITES:
                attributes, _ = self._dwarf.attributes(kind, place)
                behind = next((attributes[name] for name in _RETURNS if name in attributes), None)
                if behind:
                    tail = any(flag in attributes for flag in _TAIL_FLAGS)
                    leads, name = self._target(attributes)
                    at = self._dwarf.address(self._unit, behind)
                    yield CallSite(behind=at, tail=tail, leads=leads, name=name)

    def _target(self, attributes: Attributes) -> tuple[Leads, str | None]:
        """The target of a call; an entry that does not say may refer to one that does."""
        origin = next((attributes[item] for item in _CALL_ORIGINS if item in attributes), None)
        if origin is None:
            return Leads.UNSAID, None
        unit = self._unit
        for _ in range(MAX_ORIGINS):
            unit, place, found = follow(unit, origin)
            if _DECLARATION in found:
                return Leads.DECLARED, self._naming.name(unit, place, found)[0]
            if spans(unit.dwarf, unit, found) is not None:
                return Leads.DEFINED, None
            origin = next((found[item] for item in ORIGINS if item in found), None)
            if origin is None:
                break
        return Leads.ABSTRACT, None

    def _calls(self, chain: list[_Entry], line: Line | None, table: LineTable) -> Iterator[Call]:
        """From the innermost inlined call outwards."""
        for number, entry in reversed(list(enumerate(chain))):
            name, language = self._naming.name(self._unit, entry.place, entry.attributes)
            yield Call(name=name, entry=entry.parts[0][0], line=line, inlined=number > 0, language=language)
            line = self._called_at(entry.attributes, table)

    def _called_at(self, attributes: Attributes, table: LineTable) -> Line | None:
        """The line of the caller from which an inlined function is called."""
        if _CALL_FILE not in attributes or _CALL_LINE not in attributes:
            return None
        file = table.file(self._dwarf.number(attributes[_CALL_FILE]))
        line = self._dwarf.number(attributes[_CALL_LINE])
        return Line(file=file, line=line) if file and line else None

    def _functions(self) -> Iterator[tuple[_Entry, int]]:
        """All functions with code, and where their children begin (0 for none)."""
        for kind, place, _ in walk(self._unit, self._unit.below, enter=SCOPES):
            if kind.tag == SUBPROGRAM:
                attributes, below = self._dwarf.attributes(kind, place)
                if parts := spans(self._dwarf, self._unit, attributes):
                    yield _Entry(place, attributes, parts), below if kind.children else 0

    def _inlined(self, place: int, address: int) -> list[_Entry]:
        """The inlined calls among an entry's children that contain an address, outermost first."""
        for kind, at, _ in walk(self._unit, place):
            if kind.tag not in (INLINED, LEXICAL_BLOCK):
                continue
            attributes, below = self._dwarf.attributes(kind, at)
            parts = spans(self._dwarf, self._unit, attributes)
            if parts is not None and not _has(parts, address):
                continue
            deeper = self._inlined(below, address) if kind.children else []
            if parts is not None:
                return [_Entry(at, attributes, parts), *deeper] if kind.tag == INLINED else deeper
            if deeper:
                return deeper
        return []


def _has(parts: list[Range], address: int) -> bool:
    return any(low <= address < high for low, high in parts)
