"""Reads a core and its sysroot into a Crash: the original fault first, then all threads.

Stacks come from the fastest backend that is sure of them, otherwise from the best one; Python frames from
pystack; everything else from the core and the sysroot themselves. `warnings` says what could not be read.
"""

__lazy_modules__ = ("orchestrator.crash.stacks",)

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.elf.headers import PF_X
from orchestrator.crash.fault.explain import overflowed
from orchestrator.crash.fault.origin import Site, describe_signal, describe_site, find_site
from orchestrator.crash.fault.siginfo import Fault, was_requested
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.notes import folded
from orchestrator.crash.process.abort_message import read_message
from orchestrator.crash.process.environ import read_environment
from orchestrator.crash.process.generated import generator
from orchestrator.crash.process.startup import read_invocation
from orchestrator.crash.process.waiting import Waiting
from orchestrator.crash.signature.crash import sign_crash
from orchestrator.crash.signature.frames import with_build
from orchestrator.crash.signature.hang import sign_hang
from orchestrator.crash.stacks import registry
from orchestrator.crash.stacks.cache import StackCache
from orchestrator.crash.stacks.certainty import count_certain
from orchestrator.crash.stacks.limits import loose
from orchestrator.crash.stacks.linked import LinkedFrame, linked_frames
from orchestrator.crash.stacks.python.backend import (
    PYSTACK,
    EvaluatedFrame,
    PythonReading,
    PythonThread,
    merge,
    prepare_python,
    read_python,
    runs_python,
)
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading
from orchestrator.crash.stacks.unwind_tables import UnwindTables
from orchestrator.crash.truncation import describe_truncation
from orchestrator.errors import ToolError
from orchestrator.model import Crash, Module, NativeFrame, Sysroot, Thread
from orchestrator.names import BACKENDS

_FIRST: Final = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")
_LAST: Final = ("fs_base", "gs_base")
"""x86-64's registers as gdb lists them, whichever backend read them; the numbered ones are between."""


@dataclass(frozen=True, kw_only=True)
class CacheContext:
    """A run's stack cache, the image that the core is from, and in words the trial that it is from."""

    cache: StackCache
    image: str
    origin: str


def read_crash(
    path: Path, core: Core, sysroot: Sysroot, backends: Collection[str] = BACKENDS,
    cached: CacheContext | None = None, *, hang: bool = False,
) -> Crash:  # fmt: skip
    """Read a crash; `path` is the uncompressed core that `core` has open. Losses are in the warnings.

    `hang`: the process did not end and was made to dump the core; otherwise the core itself may say so.
    Stacks whose names are in the stack cache are not named again.
    """
    root = Path(sysroot.path)
    with ThreadPoolExecutor(1) as pool:
        python = pool.submit(_read_python, path, core, root, backends)
        reading, lacking = _read_stacks(path, core, root, backends, cached)
        found, missing = python.result()
    said = loose() if reading.by_program or found else ()
    return interpret(core, sysroot, reading, found, lacking=(*lacking, *missing, *said), hang=hang)


def prepare(core: Core, backends: Collection[str] = BACKENDS) -> None:
    """Start what takes long to start, ahead of reading this core or another like it."""
    if PYSTACK in backends and runs_python(core):
        prepare_python()


def _read_stacks(
    path: Path, core: Core, root: Path, backends: Collection[str], cached: CacheContext | None
) -> tuple[Reading, list[str]]:
    if cached is None:
        return registry.read_stacks(path, core, root, backends)
    if hit := cached.cache.read(core, root, cached.image):
        return hit, []
    reading, lacking = registry.read_stacks(path, core, root, backends)
    cached.cache.store(core, root, cached.image, reading, cached.origin)
    return reading, lacking


def _read_python(
    path: Path, core: Core, root: Path, backends: Collection[str]
) -> tuple[PythonReading | None, list[str]]:
    """The Python stacks, or why a core that has the interpreter in it gives none."""
    if PYSTACK not in backends or not runs_python(core):
        return None, []
    try:
        return read_python(path, core, root), []
    except ToolError as error:
        return None, [f"without Python frames: pystack: {error.what}"]


def interpret(
    core: Core,
    sysroot: Sysroot,
    reading: Reading,
    python: PythonReading | None = None,
    *,
    lacking: Sequence[str] = (),
    hang: bool = False,
) -> Crash:
    """The crash that the stacks of a core show; `lacking` says which backends could not be used."""
    crashed = next((thread for thread in reading.threads if thread.crashed), None)
    memory = ProcessMemory(core, Path(sysroot.path))
    site = find_site(memory, crashed)
    threads = _threads(memory, reading, site, python)
    frames = next((thread.native[site.frame :] for thread in threads if thread.crashed), ())
    invocation = read_invocation(core)
    hangs = hang or was_requested(core, site.fault)
    message = read_message(memory, site.frames[site.frame :], site.registers)
    over = overflowed(core, site.fault, site.registers)
    linked = linked_frames(memory, site.frames[site.frame :])
    certain = count_certain(UnwindTables(memory), site.frames[site.frame :])
    signature, how = (
        sign_hang(threads, core.process_id)
        if hangs
        else sign_crash(
            site.signal,
            _with_build(core, _by_linker(frames, linked)),
            overflowed=over,
            certain=sum(frame.number < certain for frame in linked),
        )
    )
    return Crash(
        arch=core.arch,
        truncated=core.truncated,
        warnings=(
            *_core_warnings(core, site.fault),
            *sysroot.problems,
            *lacking,
            *site.doubts,
            *folded((*reading.warnings, *_generated(threads))),
        ),
        process=invocation.name,
        command=invocation.command,
        message=message,
        hang=hangs,
        main=core.process_id,
        signal=describe_signal(memory, site, message),
        crash=describe_site(memory, site, frames),
        threads=threads,
        modules=tuple(
            Module(path=item.path, build_id=item.build_id, base=hex(item.base)) for item in core.modules
        ),
        signature=signature,
        signature_note=how,
        backends=_backends(reading, python),
        sources=_sources(reading, python, site),
        named_from=reading.named_from,
        environment=read_environment(memory, invocation.environment, site.near),
    )


def _by_linker(frames: Sequence[NativeFrame], linked: Sequence[LinkedFrame]) -> list[NativeFrame]:
    """The frames that are on the stack itself, with their functions by the linker's names."""
    return [
        frames[item.number].model_copy(update={"function": item.function} if item.function else {})
        for item in linked
        if item.number < len(frames)
    ]


def _with_build(core: Core, frames: Sequence[NativeFrame]) -> Sequence[NativeFrame]:
    """Frames of the program itself that have no name, by its build id, as a signature has them."""
    program = core.executable
    return with_build(frames, program.path, program.build_id) if program and program.build_id else frames


def _backends(reading: Reading, python: PythonReading | None) -> dict[str, str | None]:
    own = [(reading.backend, reading.version), reading.named_by, *reading.others]
    used = dict(filter(None, own)) | ({PYSTACK: python.version} if python else {})
    return {name: used.get(name) for name in BACKENDS}


def _sources(reading: Reading, python: PythonReading | None, site: Site) -> dict[str, str]:
    """Which backend gave each fact; `core` stands for this program's own reading of core and files.

    A handler that was installed without SA_SIGINFO, as uWSGI's, leaves no siginfo on the stack. The trap
    number and the error code of the interrupted context say the same, so that is no limit of the evidence.
    """
    own = ("signal", "crash", "modules", "command", "message", "environment")
    sources = dict.fromkeys(own, "core") | dict.fromkeys(("native", "registers"), reading.backend)
    if site.frame and site.fault.derived:
        sources["signal"] = "core, from the interrupted context"
    if reading.named_by:
        sources["names"] = f"{reading.named_by[0]}, of another core"
    return sources | ({"python": PYSTACK} if python else {})


def _threads(
    memory: ProcessMemory, reading: Reading, site: Site, python: PythonReading | None
) -> tuple[Thread, ...]:
    evaluated = _evaluated(python.threads, [state.tid for state in memory.core.threads]) if python else {}
    holder = next((thread.tid for thread in evaluated.values() if thread.gil), None)
    waiting = Waiting(memory=memory, states={state.tid: state for state in memory.core.threads}, gil=holder)
    return tuple(
        _thread(waiting, thread, site, evaluated[thread.tid].frames if thread.tid in evaluated else ())
        for thread in reading.threads
    )


def _evaluated(threads: Sequence[PythonThread], native: Sequence[int]) -> dict[int, PythonThread]:
    """The Python threads by the id of the native thread of each, of which a process has `native`.

    A process that was forked without PyOS_AfterFork_Child() has the forking thread alone, and keeps the
    thread id that Python noted of it in its parent: a worker of uWSGI without --enable-threads does.
    """
    found = {thread.tid: thread for thread in threads}
    unknown = found.keys() - set(native)
    if len(threads) == len(native) == len(unknown) == 1:
        return {native[0]: threads[0].model_copy(update={"tid": native[0]})}
    return found


def _thread(waiting: Waiting, thread: ThreadReading, site: Site, python: Sequence[EvaluatedFrame]) -> Thread:
    registers = thread.registers.get(site.frame, {}) if thread.crashed else {}
    native = tuple(_frame(waiting.memory.core, frame) for frame in thread.frames)
    merged = merge(python, thread.frames)
    return Thread(
        tid=thread.tid,
        crashed=thread.crashed,
        registers={name: hex(registers[name]) for name in sorted(registers, key=_place_of)},
        native=native,
        python=merged,
        waits=waiting.of(thread.tid, native, merged),
    )


def _place_of(register: str) -> int:
    """Where a register stands among others; those of one place stay in their order."""
    if register in _FIRST:
        return _FIRST.index(register)
    return len(_FIRST) + (register in _LAST)


def _frame(core: Core, frame: Frame) -> NativeFrame:
    module = core.module_at(frame.pc)
    known = _may_run(core, frame.pc)
    function, start = (frame.function, frame.start) if known else (None, None)
    if start is None and function is None and module:
        start = module.base
    return NativeFrame(
        function=function,
        module=module.path if module else None,
        offset=None if start is None or frame.trampoline or frame.pc < start else frame.pc - start,
        pc=hex(frame.pc),
        file=frame.file if known else None,
        line=frame.line if known else None,
        exact=frame.exact and known,
        trampoline=frame.trampoline,
        scanned=frame.scanned,
        nearest=frame.nearest,
        generated=None if frame.trampoline or frame.scanned else generator(core, frame.pc),
    )


def _generated(threads: Sequence[Thread]) -> Iterator[str]:
    """Which frames are in code of no file that a compiler generated as the process ran."""
    for thread in threads:
        found = [(number, frame.generated) for number, frame in enumerate(thread.native) if frame.generated]
        if found:
            number, who = found[0]
            yield (
                f"thread {thread.tid}: frame #{number} is in code that {who} generated as it ran, "
                "which has no names and does not say how to leave it"
            )


def _may_run(core: Core, pc: int) -> bool:
    """Whether a pc can be in a function; after a jump into data the nearest name is that of a variable."""
    segment = core.segment_at(pc)
    return segment is None or bool(segment.flags & PF_X)


def _core_warnings(core: Core, fault: Fault) -> list[str]:
    nameless = None if core.files else "the core does not say which files were mapped"
    known = "worked out from the instruction" if fault.derived else "not known"
    bare = None if core.siginfo else f"the core has no siginfo: the signal's code and address are {known}"
    return [*filter(None, (describe_truncation(core), nameless, bare)), *core.damage]
