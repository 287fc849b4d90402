"""Crashes: a core that has been read. Field names are those of `crashmatrix analyze --json`."""

from typing import Final

from pydantic import ConfigDict, Field

from orchestrator.binary.cpp_names import without_arguments
from orchestrator.model.base import SCHEMA, Integer, Value

OF_HOST: Final = "isolation of the tools that read the core:"
"""How a warning begins that is about the host and not about the core."""


class Sender(Value):
    """The sender of a signal that no fault raised, by ids as the crashed process saw them."""

    pid: Integer
    uid: Integer


class SignalInfo(Value):
    """The signal of the original fault; `code` by its name (SEGV_MAPERR), the address in hex."""

    number: Integer
    name: str
    code: str | None = None
    fault_address: str | None = None
    meaning: str | None = None
    """What the fault address means (near NULL, stack guard, not mapped), or what malloc aborted for."""
    sender: Sender | None = None
    delivered: str | None = None
    """The signal that ended the process, if a handler raised another one after the fault."""


class NativeFrame(Value):
    """One native frame. `exact` is False where the symbol is the nearest one and may mislead.

    `offset` counts from the function's start, or from the module's base where no function is known.
    """

    function: str | None
    module: str | None
    offset: Integer | None = None
    pc: str | None = None
    file: str | None = None
    line: Integer | None = None
    exact: bool = False
    trampoline: bool = False
    """The kernel's signal frame: what lies below was interrupted, what lies above is the handler."""
    scanned: bool = False
    """Not unwound: a return address found on the stack, which may be stale."""
    generated: str | None = None
    """Who generated this code while the process ran (`the JVM`, `V8`); None for code of a file."""
    nearest: str | None = None
    """The nearest symbol before the pc with the distance (`name+0x2a`), if no symbol covers the pc."""


class PythonFrame(Value):
    """One Python frame. `native` is the number of the native frame whose evaluation loop runs it."""

    function: str
    file: str
    line: Integer
    native: Integer | None = None


class Wait(Value):
    """The place where a thread waits: a system call (`call`), made by a `function` of the C library.

    `what` is what it waits for, for example `a mutex` or `the GIL`; `caller` is the first telling function
    outside the C library; `address` is the futex in hex; `thread` is the id of the thread that holds the
    lock, or whose end is awaited.
    """

    text: str
    what: str | None = None
    call: str | None = None
    function: str | None = None
    caller: str | None = None
    address: str | None = None
    thread: Integer | None = None


class Thread(Value):
    """A thread of the crashed process, innermost frame first."""

    tid: Integer
    crashed: bool
    registers: dict[str, str] = {}
    """Of the crashed thread, in hex, as they were at the original fault."""
    native: tuple[NativeFrame, ...] = ()
    python: tuple[PythonFrame, ...] = ()
    waits: Wait | None = None


class Sysroot(Value):
    """The files that are needed to read a core, in a folder of the host.

    `problems` names the core's modules that are missing there or are not the same file.
    """

    path: str
    problems: tuple[str, ...] = ()


class Module(Value):
    """A mapped ELF file."""

    path: str
    build_id: str | None = None
    base: str | None = None


class Instruction(Value):
    """One machine instruction near the pc; `operands` has the values of its registers and memory."""

    address: str
    text: str
    operands: str | None = None
    current: bool = False


class Variable(Value):
    """An entry of an environment; `value` only for names on the allow list, else None."""

    name: str
    value: str | None = None


class WalkedArray(Value):
    """An array of environment entries that the crashing code walked and that is not `environ`.

    Addresses in hex. `kept` counts the entries that are in both arrays, `overwritten` the slots of
    this one that no longer point to an entry. `added` are only in `environ`, `removed` only here.
    """

    address: str
    found: str
    """How it was found: the register, and the frame, that pointed into it."""
    kept: Integer
    overwritten: Integer = 0
    added: tuple[Variable, ...] = ()
    removed: tuple[Variable, ...] = ()


class Environment(Value):
    """The environment as it was at the crash. `environ` is the array's address in hex."""

    source: str
    """Where it was read: the `environ` of a named module, or the kernel's copy from the start."""
    environ: str | None = None
    variables: tuple[Variable, ...] = ()
    walked: WalkedArray | None = None


class Excerpt(Value):
    """Lines of a source file around the line of a frame, which names the file so."""

    file: str
    line: Integer
    first: Integer
    """The number of the first of `lines`."""
    lines: tuple[str, ...]


class CrashSite(Value):
    """Where the original fault happened."""

    pc: str | None
    function: str | None
    offset: Integer | None = None
    exact: bool = False
    module: str | None = None
    build_id: str | None = None
    disassembly: tuple[Instruction, ...] = ()

    @property
    def name(self) -> str | None:
        """The function without its arguments, as a sentence names it."""
        return self.function and without_arguments(self.function)


class Crash(Value):
    """A core that has been read. In JSON its version is called `schema`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    schema_version: Integer = Field(default=SCHEMA, alias="schema")
    arch: str
    truncated: bool
    warnings: tuple[str, ...] = ()
    process: str | None = None
    """The name of the crashed process (comm, up to 15 bytes)."""
    command: tuple[str, ...] = ()
    """The command line."""
    message: str | None = None
    """The program's last message: of glibc's abort, a failed assertion or an exception."""
    hang: bool = False
    """Whether the process hung and was made to dump this core; `waits` of its threads tells where."""
    main: Integer | None = None
    """The id of the process's main thread."""
    signal: SignalInfo
    crash: CrashSite
    threads: tuple[Thread, ...]
    modules: tuple[Module, ...]
    signature: str
    signature_note: str = ""
    """How the signature was made."""
    backends: dict[str, str | None]
    """The version of each backend; None where it was not used."""
    sources: dict[str, str] = {}
    """Which backend gave each fact, for example `native` (frames) to gdb and `signal` to core."""
    named_from: str | None = None
    """The source of this crash's names, if it is not its own core."""
    environment: Environment | None = None
    excerpts: tuple[Excerpt, ...] = ()
    """Source lines of its frames in the project's own files."""

    @property
    def limits(self) -> tuple[str, ...]:
        """The warnings that can change a conclusion: not those about the host that read the core."""
        return tuple(warning for warning in self.warnings if not warning.startswith(OF_HOST))

    @property
    def host_notes(self) -> tuple[str, ...]:
        """The warnings about the host that read the core, which are the same for each core that it reads."""
        return tuple(warning for warning in self.warnings if warning.startswith(OF_HOST))

    @property
    def waits(self) -> tuple[str, ...]:
        """The place of each thread of a hanging process, as sentences; empty for a crash."""
        told = ((thread.tid, thread.waits.text if thread.waits else "runs") for thread in self.threads)
        return tuple(f"thread {tid} {text}" for tid, text in told) if self.hang else ()

    @property
    def crashed_thread(self) -> Thread | None:
        """The thread of the fault; None if no thread could be read."""
        return next((thread for thread in self.threads if thread.crashed), None)
