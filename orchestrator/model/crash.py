"""Crashes: a core that has been read. Field names are those of `crashmatrix analyze --json`."""

from orchestrator.model.base import SCHEMA, Value


class SignalInfo(Value):
    """The signal of the original fault; `code` by its name (SEGV_MAPERR), the address in hex."""

    number: int
    name: str
    code: str | None = None
    fault_address: str | None = None
    delivered: str | None = None
    """The signal that ended the process, where a handler raised another one after the fault."""


class NativeFrame(Value):
    """One native frame. `exact` is False where the symbol is the nearest one and may mislead.

    `offset` counts from the function's start, or from the module's base where no function is known.
    """

    function: str | None
    module: str | None
    offset: int | None = None
    pc: str | None = None
    file: str | None = None
    line: int | None = None
    exact: bool = False
    trampoline: bool = False
    """The kernel's signal frame: what lies below was interrupted, what lies above is the handler."""
    scanned: bool = False
    """Not unwound: a return address that was found on the stack, and may be a leftover."""


class PythonFrame(Value):
    """One Python frame."""

    function: str
    file: str
    line: int


class Thread(Value):
    """A thread of the crashed process, innermost frame first."""

    tid: int
    crashed: bool
    registers: dict[str, str] = {}
    """Of the crashed thread, in hex, as they were at the original fault."""
    native: tuple[NativeFrame, ...] = ()
    python: tuple[PythonFrame, ...] = ()


class Sysroot(Value):
    """The files of an image that reading a core takes, in a folder of the host.

    `problems` says in words what of the core's modules is missing there, or is not the same file.
    """

    path: str
    problems: tuple[str, ...] = ()


class Module(Value):
    """A mapped ELF file."""

    path: str
    build_id: str | None = None
    base: str | None = None


class CrashSite(Value):
    """Where the original fault happened."""

    pc: str | None
    function: str | None
    offset: int | None = None
    exact: bool = False
    module: str | None = None
    build_id: str | None = None


class Crash(Value):
    """What a core tells."""

    schema_version: int = SCHEMA
    arch: str
    truncated: bool
    warnings: tuple[str, ...] = ()
    message: str | None = None
    signal: SignalInfo
    crash: CrashSite
    threads: tuple[Thread, ...]
    modules: tuple[Module, ...]
    signature: str
    signature_note: str = ""
    """How the signature was made."""
    backends: dict[str, str | None]

    @property
    def crashed_thread(self) -> Thread | None:
        """The thread that the fault happened in; None where no thread could be read."""
        return next((thread for thread in self.threads if thread.crashed), None)
