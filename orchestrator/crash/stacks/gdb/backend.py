"""The backend `gdb`: its answer as a reading, with how certain each name is, which gdb does not say.

A name from debug information is exact. A name from a symbol table is exact if the symbol's size covers the
address; otherwise it is the nearest symbol before it, which may mislead (it did in one of the stories).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.elf.files import find_symbols, first_address
from orchestrator.binary.elf.symbols import Symbol
from orchestrator.crash.stacks.gdb.run import (
    HINT,
    MAX_FRAMES,
    GdbAnswer,
    GdbFrame,
    GdbThread,
    PlacedFile,
    read_with_gdb,
)
from orchestrator.crash.stacks.reading import MAIN, Frame, Reading, ThreadReading
from orchestrator.errors import CoreError, ToolError
from orchestrator.model import Arch

_NAMES: Final = {Arch.ARM64: ("aarch64",), Arch.ARM: ("arm", "iwmmxt", "xscale")}
"""How gdb's names of architectures begin that not every gdb knows."""
_STUB: Final = "@plt"
"""The end of names that gdb invents for entries of the procedure linkage table, such as `*ABS*+0x9f400@plt`.

No file has them; `elf` gives the place in the module.
"""


def read_stacks(path: Path, core: Core, root: Path) -> Reading:
    """The backend `gdb`; raises ToolError where gdb is missing or cannot read this core."""
    program = core.executable
    file = root / program.path.lstrip("/") if program else None
    found = file if file and file.is_file() else None
    whole = core.lists_files and found and not core.truncated
    placed = [] if whole else _placed(core, root)
    answer = read_with_gdb(path, root, found, placed)
    _check_architecture(core, answer)
    return complete(core, root, answer)


def goes_first(core: Core) -> bool:  # noqa: ARG001 - the backends' common shape
    """Never: gdb is the slowest backend."""
    return False


def _check_architecture(core: Core, answer: GdbAnswer) -> None:
    """Refuse the answer of a gdb that does not know the core's architecture, and does not say so."""
    known = _NAMES.get(core.arch)
    if known and answer.architecture is not None and not answer.architecture.startswith(known):
        raise ToolError(f"this gdb reads an {core.arch} core as {answer.architecture}", hint=HINT)


def _placed(core: Core, root: Path) -> list[PlacedFile]:
    """The files of a core in which gdb finds none itself, the program first; what is no file is left out.

    gdb goes by the list of files in the core, which a guest's lacks, or by the loader's own list, to which
    the program's file leads and which a truncated core may lack.
    """
    placed = []
    for module in sorted(core.modules, key=lambda module: module != core.executable):
        file = (root / module.path.lstrip("/")).resolve()
        with suppress(CoreError, OSError):
            bias = module.base - first_address(file)
            placed.append(PlacedFile(file=file, bias=bias, program=module == core.executable))
    return placed


def complete(core: Core, root: Path, answer: GdbAnswer) -> Reading:
    """gdb's answer as a reading; `root` is the sysroot, whose symbol tables say how certain a name is."""
    found = [_to_main(core, thread) for thread in answer.threads]
    tables = SymbolTables(core, root, (frame for thread in found for frame in thread.frames))
    absent = {module for module in core.modules if not (root / module.path.lstrip("/")).is_file()}
    guesses = {thread.tid: tuple(_guesses(thread, core, absent)) for thread in found}
    threads = tuple(
        ThreadReading(
            tid=thread.tid,
            crashed=thread.crashed,
            frames=tuple(_frames(core, thread, tables)),
            registers=thread.registers,
            doubts=(*_stack_warnings(thread), *guesses[thread.tid]),
        )
        for thread in found
    )
    general = (*tables.problems, *_warnings(answer, core))
    warnings = (*general, *(line for thread in threads for line in thread.doubts))
    return Reading(
        backend="gdb", version=answer.version, threads=threads, warnings=warnings,
        guesses=tuple(line for lines in guesses.values() for line in lines), by_program=True,
    )  # fmt: skip


def _to_main(core: Core, thread: GdbThread) -> GdbThread:
    """A thread without the callers of the program's main, which are the same in every program.

    gdb itself would end at what the debug information calls the main program, in Rust `p::main`, but not
    where it takes the names from its index cache: two readings of one core would differ.
    """
    program = core.executable
    for number, frame in enumerate(thread.frames):
        if frame.function == MAIN and program and core.module_at(frame.pc) == program and not frame.inline:
            return thread.model_copy(
                update={"frames": thread.frames[: number + 1], "stopped": None, "more": False}
            )
    return thread


class SymbolTables:
    """Symbols of the modules in a sysroot; each table is read once, for all frames."""

    def __init__(self, core: Core, sysroot: Path, frames: Iterable[GdbFrame]) -> None:
        """Look up all frames that gdb named from a symbol table."""
        self._symbols: dict[int, Symbol] = {}
        self.problems: list[str] = []
        wanted: dict[MappedModule, set[int]] = defaultdict(set)
        for frame in frames:
            module = core.module_at(frame.pc)
            if module and frame.function and not frame.debug:
                wanted[module].add(frame.pc)
        for module, addresses in wanted.items():
            self._read(sysroot, module, addresses)

    def at(self, address: int) -> Symbol | None:
        """The symbol of an address, at its loaded address."""
        return self._symbols.get(address)

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


def _frames(core: Core, thread: GdbThread, tables: SymbolTables) -> Iterator[Frame]:
    guessed = _first_guess(core, thread)
    for number, frame in enumerate(thread.frames):
        yield _frame(frame, tables.at(frame.pc), scanned=guessed is not None and number >= guessed)


def _first_guess(core: Core, thread: GdbThread) -> int | None:
    """The first frame that is in no code: from there on gdb guessed from the words on the stack.

    gdb does that without a message where a function has no unwind information. The innermost frame and the
    one that a signal interrupted may be anywhere, and some stacks end with a pc of 0.
    """
    for number, (inner, frame) in enumerate(pairwise(thread.frames), start=1):
        if frame.pc and not frame.trampoline and not inner.trampoline and not _is_code(core, frame.pc):
            return number
    return None


def _is_code(core: Core, pc: int) -> bool:
    """Whether a pc is in executable memory, or may be: a damaged core does not list all mappings."""
    return core.is_code(pc) or (core.segment_at(pc) is None and bool(core.damage))


def _frame(frame: GdbFrame, symbol: Symbol | None, *, scanned: bool) -> Frame:
    invented = not frame.debug and (frame.function or "").endswith(_STUB)
    return Frame(
        pc=frame.pc,
        sp=frame.sp,
        function=None if invented else frame.function,
        start=frame.start if frame.debug else symbol.start if symbol else None,
        exact=frame.debug or bool(symbol and symbol.size),
        file=frame.file,
        line=frame.line,
        trampoline=frame.trampoline,
        inline=frame.inline,
        tail_call=frame.tail_call,
        scanned=scanned,
    )


def _warnings(answer: GdbAnswer, core: Core) -> list[str]:
    warnings = [f"gdb: {line}" for line in answer.complaints]
    if len(answer.threads) < len(core.threads):
        warnings.append(f"gdb found {len(answer.threads)} of {len(core.threads)} threads")
    return warnings


def _guesses(thread: GdbThread, core: Core, absent: Collection[MappedModule]) -> Iterator[str]:
    """Warnings about frames of a thread that gdb guessed, which it does not mark.

    Without a function's file the caller is a guess. Without unwind information in the file it is one too,
    which shows where the frames lead out of all code.
    """
    for number, frame in enumerate(thread.frames[:-1]):
        module = core.module_at(frame.pc)
        if module is not None and module in absent:
            said = f"frames outside #{number} are guesses: {module.path} is not in the sysroot"
            yield f"thread {thread.tid}: {said}"
            break
    if (guess := _first_guess(core, thread)) is not None:
        said = f"frames from #{guess} outwards are guesses: {thread.frames[guess].pc:#x} is no code"
        yield f"thread {thread.tid}: {said}"


def _stack_warnings(thread: GdbThread) -> list[str]:
    more = f"thread {thread.tid}: only its {MAX_FRAMES} innermost frames were read" if thread.more else None
    early = f"thread {thread.tid}: its stack ends early ({thread.stopped})" if thread.stopped else None
    return [line for line in (more, early) if line]
