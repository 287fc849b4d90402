"""Symbol tables: the symbol that an address belongs to, in one pass over tables that are never kept whole."""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

# Bytes of a symbol table that are read; libpython's with debug symbols has 1 MB.
MAX_TABLE: Final = 64 << 20
# Pairs of a symbol and an address that it covers; no real table has symbols that all cover all addresses.
MAX_STEPS: Final = 1 << 22
ENTRY: Final = struct.Struct("<IBBHQQ")
NARROW_ENTRY: Final = struct.Struct("<IIIBBH")
_FUNCTIONS: Final = frozenset({0, 2, 10})  # STT_NOTYPE (hand-written assembly), STT_FUNC, STT_GNU_IFUNC
_OBJECT: Final = 1  # STT_OBJECT
# STB_GLOBAL and STB_WEAK: where one function has several names, the public ones of glibc are weak.
_PUBLIC: Final = frozenset({1, 2})


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """The symbol that an address belongs to; `start` as linked, `size` in bytes.

    One of size 0 (hand-written assembly) may reach as far as the address. One that is not `covering` and has
    a size ends before the address, and is only the nearest.
    """

    start: int
    size: int
    name: str = ""
    covering: bool = True


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """The entries of a symbol table; `name_at` gives the name at an offset of its string table."""

    raw: bytes
    name_at: Callable[[int], str]
    wide: bool = True
    """Whether the entries are those of a 64-bit file."""

    def entries(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Name offset, info, other, section number, address and size of each symbol."""
        if not self.wide:
            narrow = memoryview(self.raw)[: len(self.raw) // NARROW_ENTRY.size * NARROW_ENTRY.size]
            for name, start, size, info, other, section in NARROW_ENTRY.iter_unpack(narrow):
                yield name, info, other, section, start, size
            return
        whole = len(self.raw) // ENTRY.size * ENTRY.size
        yield from ENTRY.iter_unpack(memoryview(self.raw)[:whole])

    def names_at(self, address: int) -> Iterator[str]:
        """The names of the functions that begin at an address."""
        for name, info, _, section, start, _ in self.entries():
            if start == address and section and info & 0xF in _FUNCTIONS:
                yield self.name_at(name)

    def objects(self, size: int) -> Iterator[tuple[str, int]]:
        """Name and address of each defined variable of this size."""
        for name, info, _, section, start, of_size in self.entries():
            if section and of_size == size and info & 0xF == _OBJECT:
                yield self.name_at(name), start


class SymbolSearch:
    """Finds the symbols of sorted addresses; `look` is called for each table."""

    def __init__(self, wanted: list[int]) -> None:
        self._wanted = wanted
        self._steps = MAX_STEPS
        self._covering: dict[int, _Match] = {}
        self._nearest: dict[int, _Match] = {}

    def look(self, table: SymbolTable) -> None:
        """Match one table's functions with the addresses, for at most MAX_STEPS pairs in all."""
        wanted, name_at = self._wanted, table.name_at
        for name, info, _, section, start, size in table.entries():
            if not section or info & 0xF not in _FUNCTIONS:
                continue
            first = bisect_left(wanted, start)
            if first == len(wanted):
                continue
            rank = (start, bool(info & 0xF), info >> 4 in _PUBLIC)
            match = (rank, Symbol(start=start, size=size), name, name_at)
            _keep(self._nearest, wanted[first], match)
            last = bisect_right(wanted, start + size - 1) if size else first
            for address in wanted[first : min(last, first + self._steps)]:
                _keep(self._covering, address, match)
            self._steps -= max(0, last - first)
            if self._steps <= 0:
                return

    def results(self) -> dict[int, Symbol]:
        """By address: the covering symbol, else the nearest one before it."""
        found: dict[int, Symbol] = {}
        nearest: _Match | None = None
        for address in self._wanted:
            here = self._nearest.get(address)
            nearest = here if here and (nearest is None or here[0] >= nearest[0]) else nearest
            covering = self._covering.get(address)
            if match := covering or nearest:
                found[address] = replace(match[1], name=_name(match), covering=covering is not None)
        return found


# Rank (higher is better), symbol without its name, offset of the name, and where to look that up.
_Match = tuple[tuple[int, bool, bool], Symbol, int, Callable[[int], str]]


def _name(match: _Match) -> str:
    return match[3](match[2])


def _keep(found: dict[int, _Match], address: int, match: _Match) -> None:
    known = found.get(address)
    if known is None or match[0] > known[0] or (match[0] == known[0] and _is_plainer(match, known)):
        found[address] = match


def _is_plainer(match: _Match, known: _Match) -> bool:
    """Of several names of one function the shortest is the plain one: free, not cfree or __libc_free."""
    return len(_name(match)) < len(_name(known))
