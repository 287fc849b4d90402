"""The debug information of one file: what code belongs to, and the calls that a function makes."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from orchestrator.binary.dwarf.entries import DAMAGE, MAX_STEPS, Dwarf, Unit
from orchestrator.binary.dwarf.functions import CallSite, Code, UnitFunctions
from orchestrator.binary.dwarf.naming import Naming
from orchestrator.binary.dwarf.ranges import units_at
from orchestrator.binary.dwarf.sections import MAX_SECTION, Allowance, Sections, Steps
from orchestrator.binary.dwarf.split import SUFFIX, Package, SplitName, split_name, split_unit
from orchestrator.binary.elf.objectfile import ObjectFile


@dataclass(frozen=True, kw_only=True)
class Sources:
    """An object with debug information, and the files that have parts of it.

    `alternate` is what dwz(1) moved shared entries to. `split` gives the file (.dwo) that a skeleton names;
    `package` has all of these in one.
    """

    main: ObjectFile
    alternate: ObjectFile | None = None
    package: ObjectFile | None = None
    split: Callable[[SplitName], ObjectFile | None] = lambda _name: None


class DebugInfo:
    """The debug information of one object, if it has any. `damaged`: some of it could not be read."""

    def __init__(self, sources: Sources, deadline: float, allowance: Allowance | None = None) -> None:
        """No further unit is read after the deadline, a time of time.thread_time()."""
        self.source = sources.main
        self._sources, self._allowance = sources, allowance or Allowance()
        steps = Steps(MAX_STEPS, deadline)
        shared = sources.alternate and Dwarf(Sections(sources.alternate, self._allowance), steps=steps)
        self._dwarf = Dwarf(Sections(sources.main, self._allowance), steps=steps, alternate=shared or None)
        self._split: dict[int, Unit] = {}
        self._deadline = deadline
        self._naming = Naming()
        self.damaged = False
        self.absent: list[PurePosixPath] = []

    def find(self, addresses: Collection[int]) -> dict[int, Code]:
        """The names and lines of linked addresses."""
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
            if time.thread_time() > self._deadline:
                self.damaged = True
                return
            split = self._split_of(unit)
            yield UnitFunctions(split or unit, self._naming, unit if split else None), wanted

    def _split_of(self, skeleton: Unit) -> Unit | None:
        """The unit of a skeleton; None for a unit that is whole, and for one whose rest is not found."""
        if skeleton.offset not in self._split:
            try:
                unit = self._find_split(skeleton)
            except DAMAGE:
                self.damaged, unit = True, None
            self._split[skeleton.offset] = unit or skeleton
        found = self._split[skeleton.offset]
        return None if found is skeleton else found

    def _find_split(self, skeleton: Unit) -> Unit | None:
        name = split_name(skeleton)
        if name is None:
            return None
        if self._package and (unit := self._package.unit(skeleton)):
            return unit
        file = self._sources.split(name)
        unit = split_unit(Sections(file, self._allowance, SUFFIX), skeleton) if file else None
        if unit is None:
            self.absent.append(name.path)
        return unit

    @cached_property
    def _package(self) -> Package | None:
        source = self._sources.package
        if source is None:
            return None
        index = source.debug_section(".debug_cu_index", MAX_SECTION)
        return Package(Sections(source, self._allowance, SUFFIX), index)
