"""A core and a sysroot to a Crash: the original fault first, then all threads.

Where a signal handler ended the process (uWSGI's does, with `--use-abort`), the fault that it was
called for is the crash, and the signal that ended the process is only `delivered`. Whatever cannot
be read is said in `warnings`; without gdb what the core's own notes tell is still given.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.crash.backends import NOTES, STACKS, read_stacks
from orchestrator.crash.environment import read_environment
from orchestrator.crash.invocation import read_invocation
from orchestrator.crash.meaning import explain_fault
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.python_stacks import EvaluatedFrame, PythonReading, merge, read_python, runs_python
from orchestrator.crash.reading import Frame, Reading, ThreadReading
from orchestrator.crash.signals import Fault, handled_fault, parse_siginfo
from orchestrator.crash.signature import sign
from orchestrator.errors import ToolError
from orchestrator.model import Crash, CrashSite, Module, NativeFrame, SignalInfo, Sysroot, Thread
from orchestrator.tools.core import Core

PYSTACK: Final = "pystack"
BACKENDS: Final = (*STACKS, PYSTACK)
"""All backends by name, best first."""
_UNKNOWN: Final = Fault(number=0, code=None, address=None)


@dataclass(frozen=True, kw_only=True)
class _Site:
    """The original fault, and the number of the crashed thread's frame that it happened in."""

    fault: Fault
    frame: int = 0
    delivered: Fault | None = None


def read_crash(path: Path, core: Core, sysroot: Sysroot, backends: Collection[str] = BACKENDS) -> Crash:
    """Read a crash; `path` is the plain core that `core` has open. What is lost is in the warnings."""
    root = Path(sysroot.path)
    with ThreadPoolExecutor(1) as pool:
        python = pool.submit(_read_python, path, core, root, backends)
        reading, lacking = read_stacks(path, core, root, backends)
        found, missing = python.result()
    return interpret(core, sysroot, reading, found, lacking=(*lacking, *missing))


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
) -> Crash:
    """What the stacks of a core tell of its crash; `lacking` says which backends could not be used."""
    crashed = next((thread for thread in reading.threads if thread.crashed), None)
    site, doubts = _find_site(core, crashed)
    stacks = {thread.tid: thread.frames for thread in python.threads} if python else {}
    threads = tuple(_thread(core, thread, site, stacks.get(thread.tid, ())) for thread in reading.threads)
    frames = next((thread.native[site.frame :] for thread in threads if thread.crashed), ())
    memory = ProcessMemory(core, Path(sysroot.path))
    invocation = read_invocation(core)
    held = crashed.registers.items() if crashed else ()
    near = {number: values for number, values in held if number >= site.frame}
    signature, how = sign(site.fault.name if site.fault.number else "?", frames)
    return Crash(
        arch=core.arch,
        truncated=core.truncated,
        warnings=(*_core_warnings(core), *sysroot.problems, *lacking, *doubts, *reading.warnings),
        process=invocation.name,
        command=invocation.command,
        signal=_signal(site, explain_fault(core, site.fault, _registers(crashed, site))),
        crash=_crash_site(core, frames),
        threads=threads,
        modules=tuple(
            Module(path=item.path, build_id=item.build_id, base=hex(item.base)) for item in core.modules
        ),
        signature=signature,
        signature_note=how,
        backends={
            **dict.fromkeys(BACKENDS),
            **({reading.backend: reading.version} if reading.backend != NOTES else {}),
            **({PYSTACK: python.version} if python else {}),
        },
        sources={
            **dict.fromkeys(("signal", "modules", "command", "environment"), "core"),
            **dict.fromkeys(("native", "registers"), reading.backend),
            **({"python": PYSTACK} if python else {}),
        },
        environment=read_environment(memory, invocation.environment, near),
    )


def _find_site(core: Core, crashed: ThreadReading | None) -> tuple[_Site, list[str]]:
    """The original fault: the innermost one that a handler on the crashed stack was called for."""
    delivered = parse_siginfo(core.siginfo) or _noted(core)
    frames = crashed.frames if crashed else ()
    handlers = [number for number, frame in enumerate(frames) if frame.trampoline]
    for number in handlers:
        stack = frames[number].sp
        fault = handled_fault(core, stack) if stack is not None else None
        if fault and number + 1 < len(frames):
            return _Site(fault=fault, frame=number + 1, delivered=delivered), _derived(fault)
    doubt = "a signal handler was running; no fault that it was called for can be told from its frame"
    return _Site(fault=delivered), [doubt] if handlers else []


def _noted(core: Core) -> Fault:
    """The signal by the crashed thread's own note, where the core holds no siginfo, as qemu-user's do not."""
    number = core.threads[0].signal if core.threads else 0
    return Fault(number=number, code=None, address=None) if number else _UNKNOWN


def _derived(fault: Fault) -> list[str]:
    if not fault.derived:
        return []
    return [
        f"{fault.name} is worked out from the interrupted context: its handler was installed without "
        "SA_SIGINFO, so the kernel left no siginfo"
    ]


def _thread(core: Core, thread: ThreadReading, site: _Site, python: Sequence[EvaluatedFrame] = ()) -> Thread:
    registers = thread.registers.get(site.frame, {}) if thread.crashed else {}
    return Thread(
        tid=thread.tid,
        crashed=thread.crashed,
        registers={name: hex(value) for name, value in registers.items()},
        native=tuple(_frame(core, frame) for frame in thread.frames),
        python=merge(python, thread.frames),
    )


def _frame(core: Core, frame: Frame) -> NativeFrame:
    module = core.module_at(frame.pc)
    start = frame.start
    if start is None and frame.function is None and module:
        start = module.base
    return NativeFrame(
        function=frame.function,
        module=module.path if module else None,
        offset=None if start is None or frame.trampoline or frame.pc < start else frame.pc - start,
        pc=hex(frame.pc),
        file=frame.file,
        line=frame.line,
        exact=frame.exact,
        trampoline=frame.trampoline,
        scanned=frame.scanned,
        nearest=frame.nearest,
    )


def _core_warnings(core: Core) -> list[str]:
    cut = "the core is truncated: memory is missing, so stacks may end early" if core.truncated else None
    nameless = None if core.files else "the core does not say which files were mapped"
    bare = None if core.siginfo else "the core has no siginfo: the signal's code and address are not known"
    return [*filter(None, (cut, nameless, bare)), *core.damage]


def _registers(crashed: ThreadReading | None, site: _Site) -> Mapping[str, int]:
    return crashed.registers.get(site.frame, {}) if crashed else {}


def _signal(site: _Site, meaning: str | None) -> SignalInfo:
    fault, delivered = site.fault, site.delivered
    return SignalInfo(
        sender=fault.sender,
        number=fault.number,
        name=fault.name if fault.number else "?",
        code=fault.code,
        fault_address=None if fault.address is None else hex(fault.address),
        meaning=meaning,
        delivered=delivered.name if delivered and delivered.number not in (0, fault.number) else None,
    )


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
