"""The names of functions as gdb shows them: the linker's, or the path of namespaces and classes."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from orchestrator.binary.dwarf.entries import Attributes, Unit
from orchestrator.binary.dwarf.forms import Abbreviation
from orchestrator.binary.dwarf.walk import (
    INLINED,
    MAX_ORIGINS,
    NAMESPACE,
    ORIGINS,
    SCOPES,
    SUBPROGRAM,
    follow,
    walk,
)

_NAME, _LANGUAGE = 0x03, 0x13  # DW_AT_*
_LINKAGE_NAMES: Final = (0x6E, 0x2007)  # DW_AT_linkage_name, DW_AT_MIPS_linkage_name
UNNAMED: Final = "(anonymous namespace)"


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


# The entries around a function, outermost first, each with the place of its attributes.
_Around = tuple[tuple[Abbreviation, int], ...]


class Naming:
    """Names the functions of one file; the scopes around them are found once for each unit."""

    def __init__(self) -> None:
        """No unit has been searched yet."""
        self._around: dict[int, dict[int, _Around]] = {}

    def name(self, unit: Unit, place: int, attributes: Attributes) -> tuple[str, Language]:
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
                scopes = self._scopes(unit, place) if scoped else []
                return "::".join([*scopes, name]), language
            origin = next((attributes[item] for item in ORIGINS if item in attributes), None)
            if origin is None:
                break
            unit, place, attributes = follow(unit, origin)
        if linked is None:
            raise ValueError("a function without a name")
        return linked

    def _scopes(self, unit: Unit, place: int) -> list[str]:
        """The names of the namespaces and classes around a function, outermost first, as gdb shows them.

        Scopes outside of a function, or of a class without a name (a lambda's), are left out.
        """
        known = self._around.get(id(unit))
        if known is None:
            known = self._around[id(unit)] = dict(_find_scopes(unit, descend=False))
        if place not in known:
            known |= _find_scopes(unit, descend=True)
        names: list[str] = []
        for kind, at in reversed(known[place]):
            if kind.tag in SCOPES:
                attributes = unit.dwarf.attributes(kind, at)[0]
                named = _NAME in attributes
                if kind.tag != NAMESPACE and not named:
                    break
                names.append(unit.dwarf.text(unit, attributes[_NAME]) if named else UNNAMED)
            elif kind.tag in (SUBPROGRAM, INLINED):
                break
        return names[::-1]


def _find_scopes(unit: Unit, *, descend: bool) -> Iterator[tuple[int, _Around]]:
    """The place of each function and the entries around it; `descend` includes functions in functions.

    One walk finds all, since the units of Rust are large.
    """
    around: list[tuple[Abbreviation, int]] = []
    for kind, at, depth in walk(unit, unit.below, enter=SCOPES, descend=descend):
        del around[depth:]
        if kind.tag == SUBPROGRAM:
            yield at, tuple(around)
        around.append((kind, at))
