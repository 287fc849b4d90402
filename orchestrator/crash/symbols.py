"""gdb's frames with what gdb does not say: module, offset, and how sure each name is.

A name from debug information is exact. One from a symbol table is exact where the symbol's size
covers the address; else it is the nearest symbol before it, which may mislead (the stories have an
investigation that it misled).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.crash.gdb import GdbFrame
from orchestrator.errors import CoreError
from orchestrator.model import NativeFrame
from orchestrator.tools.core import Core, MappedModule
from orchestrator.tools.elf import Symbol, find_symbols, first_address


class SymbolTables:
    """The symbols of the modules in a sysroot, each table read once, for the addresses that matter."""

    def __init__(self, core: Core, sysroot: Path, frames: Iterable[GdbFrame]) -> None:
        """Look up all frames that gdb named from a symbol table."""
        self._core = core
        self._symbols: dict[int, Symbol] = {}
        self.problems: list[str] = []
        wanted: dict[MappedModule, set[int]] = defaultdict(set)
        for frame in frames:
            module = core.module_at(frame.pc)
            if module and frame.function and not frame.debug:
                wanted[module].add(frame.pc)
        for module, addresses in wanted.items():
            self._read(sysroot, module, addresses)

    def frames(self, frames: Sequence[GdbFrame]) -> tuple[NativeFrame, ...]:
        """gdb's frames of one thread, completed."""
        return tuple(self._frame(frame) for frame in frames)

    def _read(self, sysroot: Path, module: MappedModule, addresses: set[int]) -> None:
        file = sysroot / module.path.lstrip("/")
        try:
            bias = module.base - first_address(file)
            # One less: a call that does not return is a function's last instruction.
            found = find_symbols(file, [address - bias - 1 for address in addresses])
        except (CoreError, OSError) as error:
            self.problems.append(f"{module.path}: its symbol table cannot be read ({error})")
            return
        for address in addresses:
            if symbol := found.get(address - bias - 1):
                self._symbols[address] = Symbol(start=symbol.start + bias, size=symbol.size)

    def _frame(self, frame: GdbFrame) -> NativeFrame:
        module = self._core.module_at(frame.pc)
        symbol = self._symbols.get(frame.pc)
        start = frame.start if frame.debug else symbol.start if symbol else None
        if start is None and frame.function is None and module:
            start = module.base
        return NativeFrame(
            function=frame.function,
            module=module.path if module else None,
            offset=None if start is None or frame.trampoline or frame.pc < start else frame.pc - start,
            pc=hex(frame.pc),
            file=frame.file,
            line=frame.line,
            exact=frame.debug or bool(symbol and symbol.size),
            trampoline=frame.trampoline,
        )
