"""A core and a sysroot to a Crash: the original fault first, then all threads.

Where a signal handler ended the process (uWSGI's does, with `--use-abort`), the fault that it was
called for is the crash, and the signal that ended the process is only `delivered`. Whatever cannot
be read is said in `warnings`; without gdb what the core's own notes tell is still given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.crash.gdb import MAX_FRAMES, GdbAnswer, GdbThread, read_with_gdb
from orchestrator.crash.signals import Fault, handled_fault, parse_siginfo
from orchestrator.crash.signature import sign
from orchestrator.crash.symbols import SymbolTables
from orchestrator.errors import ToolError
from orchestrator.model import Crash, CrashSite, Module, NativeFrame, SignalInfo, Sysroot, Thread
from orchestrator.tools.core import Core

_UNKNOWN = Fault(number=0, code=None, address=None)


@dataclass(frozen=True, kw_only=True)
class _Site:
    """The original fault, and the number of the crashed thread's frame that it happened in."""

    fault: Fault
    frame: int = 0
    delivered: Fault | None = None


@dataclass(frozen=True, kw_only=True)
class _Reading:
    site: _Site
    threads: tuple[Thread, ...]
    warnings: tuple[str, ...]
    gdb: str | None


def read_crash(path: Path, core: Core, sysroot: Sysroot) -> Crash:
    """Read a crash; `path` is the plain core that `core` has open. What is lost is in the warnings."""
    try:
        reading = _read_with_gdb(path, core, Path(sysroot.path))
    except ToolError as error:
        reading = _read_without_gdb(core, str(error))
    return _crash(core, sysroot, reading)


def _crash(core: Core, sysroot: Sysroot, reading: _Reading) -> Crash:
    fault, frames = reading.site.fault, _crashed_frames(reading)
    signature, how = sign(fault.name if fault.number else "?", frames)
    return Crash(
        arch=core.arch,
        truncated=core.truncated,
        warnings=(*_core_warnings(core), *sysroot.problems, *reading.warnings),
        signal=_signal(reading.site),
        crash=_crash_site(core, frames),
        threads=reading.threads,
        modules=tuple(
            Module(path=item.path, build_id=item.build_id, base=hex(item.base)) for item in core.modules
        ),
        signature=signature,
        signature_note=how,
        backends={"gdb": reading.gdb},
    )


def _read_with_gdb(path: Path, core: Core, root: Path) -> _Reading:
    program = core.executable
    file = root / program.path.lstrip("/") if program else None
    return _interpret(core, root, read_with_gdb(path, root, file if file and file.is_file() else None))


def _interpret(core: Core, root: Path, answer: GdbAnswer) -> _Reading:
    tables = SymbolTables(core, root, [frame for thread in answer.threads for frame in thread.frames])
    crashed = next((thread for thread in answer.threads if thread.crashed), None)
    site, doubts = _find_site(core, crashed)
    threads = tuple(_thread(thread, tables, site) for thread in answer.threads)
    warnings = (*tables.problems, *doubts, *_gdb_warnings(answer, core))
    return _Reading(site=site, threads=threads, warnings=warnings, gdb=answer.version)


def _read_without_gdb(core: Core, why: str) -> _Reading:
    """What the core's own notes tell: signal, threads, and where each of them was."""
    threads = tuple(
        Thread(tid=state.tid, crashed=number == 0, native=(_frame_at(core, state.pc),))
        for number, state in enumerate(core.threads)
    )
    warnings = (f"only the innermost frame of each thread, without names: {why}",)
    site = _Site(fault=parse_siginfo(core.siginfo) or _UNKNOWN)
    return _Reading(site=site, threads=threads, warnings=warnings, gdb=None)


def _find_site(core: Core, crashed: GdbThread | None) -> tuple[_Site, list[str]]:
    """The original fault: the innermost one that a handler on the crashed stack was called for."""
    delivered = parse_siginfo(core.siginfo) or _UNKNOWN
    frames = crashed.frames if crashed else ()
    handlers = [number for number, frame in enumerate(frames) if frame.trampoline]
    for number in handlers:
        stack = frames[number].sp
        fault = handled_fault(core, stack) if stack is not None else None
        if fault and number + 1 < len(frames):
            return _Site(fault=fault, frame=number + 1, delivered=delivered), _derived(fault)
    doubt = "a signal handler was running; no fault that it was called for can be told from its frame"
    return _Site(fault=delivered), [doubt] if handlers else []


def _derived(fault: Fault) -> list[str]:
    if not fault.derived:
        return []
    return [
        f"{fault.name} is worked out from the interrupted context: its handler was installed without "
        "SA_SIGINFO, so the kernel left no siginfo"
    ]


def _thread(thread: GdbThread, tables: SymbolTables, site: _Site) -> Thread:
    registers = thread.registers.get(site.frame, {}) if thread.crashed else {}
    return Thread(
        tid=thread.tid,
        crashed=thread.crashed,
        registers={name: hex(value) for name, value in registers.items()},
        native=tables.frames(thread.frames),
    )


def _gdb_warnings(answer: GdbAnswer, core: Core) -> list[str]:
    warnings = [f"gdb: {line}" for line in answer.complaints]
    for thread in answer.threads:
        if thread.more:
            warnings.append(f"thread {thread.tid}: only its {MAX_FRAMES} innermost frames were read")
        if thread.stopped:
            warnings.append(f"thread {thread.tid}: its stack ends early ({thread.stopped})")
    if len(answer.threads) < len(core.threads):
        warnings.append(f"gdb found {len(answer.threads)} of {len(core.threads)} threads")
    return warnings


def _core_warnings(core: Core) -> list[str]:
    cut = "the core is truncated: memory is missing, so stacks may end early" if core.truncated else None
    nameless = [] if core.files else ["the core does not say which files were mapped"]
    return [*([cut] if cut else []), *core.damage, *nameless]


def _signal(site: _Site) -> SignalInfo:
    fault, delivered = site.fault, site.delivered
    return SignalInfo(
        number=fault.number,
        name=fault.name if fault.number else "?",
        code=fault.code,
        fault_address=None if fault.address is None else hex(fault.address),
        delivered=delivered.name if delivered and delivered.number not in (0, fault.number) else None,
    )


def _crashed_frames(reading: _Reading) -> Sequence[NativeFrame]:
    thread = next((thread for thread in reading.threads if thread.crashed), None)
    return thread.native[reading.site.frame :] if thread else ()


def _crash_site(core: Core, frames: Sequence[NativeFrame]) -> CrashSite:
    if not frames:
        return CrashSite(pc=None, function=None)
    frame = frames[0]
    module = core.module_at(int(frame.pc, 16)) if frame.pc else None
    return CrashSite(
        pc=frame.pc,
        function=frame.function,
        offset=frame.offset,
        exact=frame.exact,
        module=frame.module,
        build_id=module.build_id if module else None,
    )


def _frame_at(core: Core, pc: int) -> NativeFrame:
    module = core.module_at(pc)
    return NativeFrame(
        function=None,
        module=module.path if module else None,
        offset=pc - module.base if module else None,
        pc=hex(pc),
    )
