"""Call frame information of a process's files: .eh_frame, else .debug_frame of a file or its debug file."""

from collections.abc import Iterator

from orchestrator.binary.dwarf.cfi import CallFrames, Unwinding
from orchestrator.binary.dwarf.debug_frame import DebugFrames
from orchestrator.crash.memory import LoadedObject, ProcessMemory


class UnwindTables:
    """How to leave the code at an address; each table is read once, and each address looked up once."""

    def __init__(self, memory: ProcessMemory) -> None:
        self.memory = memory
        self._found: dict[int, Unwinding | None] = {}
        self._tables: dict[int, tuple[CallFrames | DebugFrames, ...]] = {}

    def at(self, address: int) -> Unwinding | None:
        """How to unwind at an address; None where no file describes it. Raises CfiError."""
        # Threads of a program stand in the same functions.
        if address not in self._found:
            self._found[address] = self._look_up(address)
        return self._found[address]

    def _look_up(self, address: int) -> Unwinding | None:
        loaded = self.memory.object_at(address)
        if loaded is None:
            return None
        if id(loaded) not in self._tables:
            self._tables[id(loaded)] = tuple(self._of(loaded))
        found = (table.at(address - loaded.bias) for table in self._tables[id(loaded)])
        return next(filter(None, found), None)

    def _of(self, loaded: LoadedObject) -> Iterator[CallFrames | DebugFrames]:
        yield CallFrames(loaded.source)
        yield DebugFrames(loaded.source)
        if debug := self.memory.debug_object(loaded):
            yield DebugFrames(debug)
