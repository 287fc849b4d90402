"""Names and source lines of frames: from debug information, or from symbols where there is none."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.demangle import demangle
from orchestrator.binary.dwarf.debug_info import DebugInfo
from orchestrator.binary.dwarf.functions import Call, CallSite, Code
from orchestrator.binary.dwarf.lines import Line
from orchestrator.binary.dwarf.sections import Allowance
from orchestrator.binary.elf.symbols import Symbol
from orchestrator.crash.memory import LoadedObject, ProcessMemory
from orchestrator.crash.stacks.elf.unwind import Step

MAX_SECONDS: Final = 10.0
"""Seconds of processor time for the debug information of a core, so that what is read does not depend on the
load of the machine; frames not found by then have none."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A symbol at its loaded address; `ends_before`: the frame is in code after it that has no symbol."""

    function: str
    start: int
    exact: bool
    ends_before: bool
    raw: str
    """As the symbol table has it."""


class Names:
    """Names of all frames; each table is read once, for all addresses in its object."""

    def __init__(self, memory: ProcessMemory, steps: Iterable[Step]) -> None:
        """Look up all frames."""
        self._memory = memory
        self._symbols: dict[int, tuple[Symbol, int]] = {}
        self._code: dict[int, Code] = {}
        self._info: dict[int, list[DebugInfo]] = {}
        self._sites: dict[int, tuple[CallSite, ...]] = {}
        self._deadline, self._allowance = time.thread_time() + MAX_SECONDS, Allowance()
        self._look_up({meant(step) for step in steps})

    @property
    def is_damaged(self) -> bool:
        """Whether some debug information could not be read."""
        return any(info.damaged for infos in self._info.values() for info in infos)

    @property
    def absent(self) -> list[PurePosixPath]:
        """The files with split debug information that frames lead to and that are not there, each once."""
        return list(
            dict.fromkeys(path for infos in self._info.values() for info in infos for path in info.absent)
        )

    def symbol(self, address: int) -> Name | None:
        """The symbol that covers an address, or the nearest one before it; None for an address in data."""
        found = self._symbols.get(address)
        if found is None or not found[0].name or not self._memory.is_code(address):
            return None
        symbol, bias = found
        return Name(
            function=demangle(symbol.name),
            start=symbol.start + bias,
            exact=symbol.covering and symbol.size > 0,
            ends_before=not symbol.covering and symbol.size > 0,
            raw=symbol.name,
        )

    def calls(self, address: int) -> tuple[Call, ...]:
        """The function and the calls inlined into it, innermost first; none without debug information."""
        code = self._code.get(address)
        return code.calls if code else ()

    def line(self, address: int) -> Line | None:
        """Where in the source an address is; known of assembly as well, which has no calls."""
        code = self._code.get(address)
        return code.line if code else None

    def look_up(self, address: int) -> tuple[Call, ...]:
        """As `calls`, for an address that is not a frame's."""
        if address not in self._code:
            self._look_up({address})
        return self.calls(address)

    def entry(self, address: int) -> int | None:
        """Where the function of a frame is entered."""
        calls, name = self.calls(address), self.symbol(address)
        return calls[-1].entry if calls else name.start if name and name.exact else None

    def sites(self, address: int) -> tuple[CallSite, ...]:
        """The calls of the function at an address, by its debug information, where they were loaded."""
        if address not in self._sites:
            self._sites[address] = self._read_sites(address)
        return self._sites[address]

    def _read_sites(self, address: int) -> tuple[CallSite, ...]:
        loaded = self._memory.object_at(address)
        if loaded is None:
            return ()
        sites = (info.sites(address - loaded.bias) for info in self._infos(loaded))
        return tuple(
            replace(site, behind=site.behind + loaded.bias) for site in next(filter(None, sites), ())
        )

    def linked(self, address: int) -> frozenset[str]:
        """The linker's names of the function that begins at an address."""
        loaded = self._memory.object_at(address)
        if loaded is None:
            return frozenset()
        at = address - loaded.bias
        return frozenset(name for info in self._infos(loaded) for name in info.source.names_at(at))

    def _look_up(self, addresses: set[int]) -> None:
        wanted: dict[int, tuple[LoadedObject, set[int]]] = {}
        for address in addresses:
            if loaded := self._memory.object_at(address):
                wanted.setdefault(id(loaded), (loaded, set()))[1].add(address - loaded.bias)
        for loaded, linked in wanted.values():
            self._read(loaded, linked)

    def _infos(self, loaded: LoadedObject) -> list[DebugInfo]:
        """The object's debug information: of its debug file, and its own."""
        if id(loaded) not in self._info:
            limits = self._deadline, self._allowance
            self._info[id(loaded)] = [DebugInfo(item, *limits) for item in self._memory.described(loaded)]
        return self._info[id(loaded)]

    def _read(self, loaded: LoadedObject, addresses: set[int]) -> None:
        left = set(addresses)
        infos = self._infos(loaded)
        for info in infos:
            found = info.find(left)
            self._code |= {address + loaded.bias: code.moved(loaded.bias) for address, code in found.items()}
            left -= {address for address, code in found.items() if code.calls}
        for info in reversed(infos) if left else ():
            for address, symbol in info.source.find_symbols(left).items():
                known = self._symbols.get(address + loaded.bias)
                if known is None or symbol.covering or not known[0].covering:
                    self._symbols[address + loaded.bias] = (symbol, loaded.bias)


def meant(step: Step) -> int:
    """The instruction of a frame: a return address is the one after it, and may be in the next function."""
    return step.pc if step.interrupted or step.trampoline else step.pc - 1
