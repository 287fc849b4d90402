"""The functions of one unit: names, inlined calls, and the calls that a function makes, by DWARF.

A debugger shows a frame for each inlined call, though the stack has none. Of each call this gives what gdb
shows: the function's name, the source line of the code, and the function's entry point.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from orchestrator.binary.dwarf.entries import LOW_PC, Attributes, Unit
from orchestrator.binary.dwarf.forms import SIBLING, Abbreviation
from orchestrator.binary.dwarf.lines import Line, LineTable
from orchestrator.binary.dwarf.ranges import Range, spans

_SUBPROGRAM, _INLINED, _BLOCK, _NAMESPACE = 0x2E, 0x1D, 0x0B, 0x39  # DW_TAG_*, lexical_block the third
_SCOPES: Final = frozenset({_NAMESPACE, 0x02, 0x13, 0x17})  # namespace, class, structure and union
_NAME, _DECLARATION, _LANGUAGE, _CALL_FILE, _CALL_LINE = 0x03, 0x3C, 0x13, 0x58, 0x59  # DW_AT_*
_LINKAGE_NAMES: Final = (0x6E, 0x2007)  # DW_AT_linkage_name, DW_AT_MIPS_linkage_name
_ORIGINS: Final = (0x31, 0x47)  # DW_AT_abstract_origin, DW_AT_specification
# DW_TAG_call_site, DW_AT_call_tail_call, call_return_pc and call_origin, each with its GNU forerunner.
_CALL_SITES, _TAIL_FLAGS = (0x48, 0x4109), (0x82, 0x2115)
_RETURNS, _CALL_ORIGINS = (0x7D, LOW_PC), (0x7F, 0x31)
UNNAMED: Final = "(anonymous namespace)"
# References from entry to entry that are followed.
MAX_ORIGINS: Final = 8


class Language(Enum):
    """The language of a function, as far as names depend on it."""

    C = "C, or assembly"
    CPP = "C++"
    RUST = "Rust"
    OTHER = "another"


# By DW_LANG_*.
_LANGUAGES: Final = (
    dict.fromkeys((0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x8001), Language.C)
    | dict.fromkeys((0x04, 0x1A, 0x21, 0x2B), Language.CPP)
    | {0x1C: Language.RUST}
)


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


# The entries around each function, by the identity of its unit and its place.
Scopes = dict[int, dict[int, tuple[tuple[Abbreviation, int], ...]]]


class UnitFunctions:
    """The functions of one unit; reading raises one of entries.DAMAGE where they are damaged.

    `scopes` is filled on the way; all units of a file share it.
    """

    def __init__(self, unit: Unit, scopes: Scopes, skeleton: Unit | None = None) -> None:
        """`skeleton` is what the program has of a split unit: lines among others."""
        self._dwarf, self._unit, self._known_scopes = unit.dwarf, unit, scopes
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
        """The target of a call; an entry that does not say may refer to one that does."""
        origin = next((attributes[item] for item in _CALL_ORIGINS if item in attributes), None)
        if origin is None:
            return Leads.UNSAID, None
        unit = self._unit
        for _ in range(MAX_ORIGINS):
            unit, place, found = self._follow(unit, origin)
            if _DECLARATION in found:
                return Leads.DECLARED, self._name(place, found, unit)[0]
            if spans(unit.dwarf, unit, found) is not None:
                return Leads.DEFINED, None
            origin = next((found[item] for item in _ORIGINS if item in found), None)
            if origin is None:
                break
        return Leads.ABSTRACT, None

    def _follow(self, unit: Unit, origin: tuple[int, int | bytes]) -> tuple[Unit, int, Attributes]:
        """The entry that an attribute refers to: its unit, where its attributes begin, and these."""
        dwarf, place = unit.dwarf.referred(unit, origin)
        unit = dwarf.unit_of(place) or unit
        kind, place = dwarf.abbreviation(unit, place) if unit.dwarf is dwarf else (None, place)
        if kind is None:
            raise ValueError("a reference to no entry")
        return unit, place, dwarf.attributes(kind, place)[0]

    def _calls(self, chain: list[_Entry], line: Line | None, table: LineTable) -> Iterator[Call]:
        """From the innermost inlined call outwards."""
        for number, entry in reversed(list(enumerate(chain))):
            name, language = self._name(entry.place, entry.attributes, self._unit)
            yield Call(name=name, entry=entry.parts[0][0], line=line, inlined=number > 0, language=language)
            line = self._called_at(entry.attributes, table)

    def _called_at(self, attributes: Attributes, table: LineTable) -> Line | None:
        """The line of the caller from which an inlined function is called."""
        if _CALL_FILE not in attributes or _CALL_LINE not in attributes:
            return None
        file = table.file(self._dwarf.number(attributes[_CALL_FILE]))
        line = self._dwarf.number(attributes[_CALL_LINE])
        return Line(file=file, line=line) if file and line else None

    def _name(self, place: int, attributes: Attributes, unit: Unit) -> tuple[str, Language]:
        """A function's name and language, by its own entry or by those that it refers to."""
        linked: tuple[str, Language] | None = None
        language = Language.OTHER
        for _ in range(MAX_ORIGINS):
            # A partial unit of dwz may leave its language to the units that import it.
            if _LANGUAGE in unit.top:
                language = _LANGUAGES.get(unit.dwarf.number(unit.top[_LANGUAGE]), Language.OTHER)
            linkage = next((attributes[name] for name in _LINKAGE_NAMES if name in attributes), None)
            if linkage:
                linked = unit.dwarf.text(unit, linkage), language
                if language is not Language.RUST:
                    return linked
            if _NAME in attributes:
                name = unit.dwarf.text(unit, attributes[_NAME])
                scoped = language in (Language.CPP, Language.RUST)
                scopes = UnitFunctions(unit, self._known_scopes).scopes(place) if scoped else []
                return "::".join([*scopes, name]), language
            origin = next((attributes[item] for item in _ORIGINS if item in attributes), None)
            if origin is None:
                break
            unit, place, attributes = self._follow(unit, origin)
        if linked is None:
            raise ValueError("a function without a name")
        return linked

    def scopes(self, place: int) -> list[str]:
        """The names of the namespaces and classes around a function, outermost first, as gdb shows them.

        Scopes outside of a function, or of a class without a name (a lambda's), are left out.
        """
        known = self._known_scopes.get(id(self._unit))
        if known is None:
            known = self._known_scopes[id(self._unit)] = dict(self._find_scopes(descend=False))
        if place not in known:
            known |= self._find_scopes(descend=True)
        names: list[str] = []
        for kind, at in reversed(known[place]):
            if kind.tag in _SCOPES:
                attributes = self._dwarf.attributes(kind, at)[0]
                named = _NAME in attributes
                if kind.tag != _NAMESPACE and not named:
                    break
                names.append(self._dwarf.text(self._unit, attributes[_NAME]) if named else UNNAMED)
            elif kind.tag in (_SUBPROGRAM, _INLINED):
                break
        return names[::-1]

    def _find_scopes(self, *, descend: bool) -> Iterator[tuple[int, tuple[tuple[Abbreviation, int], ...]]]:
        """The place of each function and the entries around it; `descend` includes functions in functions.

        One walk finds all, since the units of Rust are large.
        """
        around: list[tuple[Abbreviation, int]] = []
        for kind, at, depth in self._walk(self._unit.below, enter=_SCOPES, descend=descend):
            del around[depth:]
            if kind.tag == _SUBPROGRAM:
                yield at, tuple(around)
            around.append((kind, at))

    def _functions(self) -> Iterator[tuple[_Entry, int]]:
        """All functions with code, and where their children begin (0 for none)."""
        for kind, place, _ in self._walk(self._unit.below, enter=_SCOPES):
            if kind.tag == _SUBPROGRAM:
                attributes, below = self._dwarf.attributes(kind, place)
                if parts := spans(self._dwarf, self._unit, attributes):
                    yield _Entry(place, attributes, parts), below if kind.children else 0

    def _inlined(self, place: int, address: int) -> list[_Entry]:
        """The inlined calls among an entry's children that contain an address, outermost first."""
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
        """The entries from a place on, where their attributes begin, and their depth below the first list.

        The children of an entry that says where its sibling is are left out, except those of tags to `enter`,
        or all with `descend`.
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
                    raise ValueError("an entry whose sibling lies before it")
            else:
                place = dwarf.skip(kind, place)
                depth += kind.children


def _has(parts: list[Range], address: int) -> bool:
    return any(low <= address < high for low, high in parts)
