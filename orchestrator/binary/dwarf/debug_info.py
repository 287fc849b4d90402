"""The debug information of one file: what code belongs to, and the calls that a function makes."""

import time
from collections.abc import Collection, Iterator

from orchestrator.binary.dwarf.entries import DAMAGE, Allowance, Dwarf, Unit
from orchestrator.binary.dwarf.functions import CallSite, Code, Scopes, UnitFunctions
from orchestrator.binary.dwarf.ranges import units_at
from orchestrator.binary.elf.objectfile import ObjectFile


class DebugInfo:
    """The debug information of one file, if it has any. `damaged`: some of it could not be read."""

    def __init__(self, source: ObjectFile, deadline: float, allowance: Allowance | None = None) -> None:
        """No further unit is read after the deadline, a time of time.monotonic()."""
        self.source = source
        self._dwarf = Dwarf(source, allowance)
        self._deadline = deadline
        self._scopes: Scopes = {}
        self.damaged = False

    def find(self, addresses: Collection[int]) -> dict[int, Code]:
        """What is known of linked addresses."""
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

    def _by_unit(self, addresses: Collection[int]) -> Iterator[tuple[UnitFunctions, set[int]]]:
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
            yield UnitFunctions(self._dwarf, unit, self._scopes), wanted
