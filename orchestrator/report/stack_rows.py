"""The rows of a stack on a page: native and Python frames, those that are missing, and those left out."""

from collections.abc import Hashable
from typing import Final, NamedTuple

from orchestrator.model import NativeFrame, PythonFrame
from orchestrator.model.frame_names import is_interpreter_file
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO, VENV

UNDER_TEST: Final = (f"{HOME}/{SCENARIO}/", f"{VENV}/", f"{PROJECT}/")
"""Where an image has the scenario's code, its packages, and the copy of the user's files."""
_LIBRARIES: Final = (
    "std::",
    "core::",
    "alloc::",
    "__gthread_",
    "__gnu_cxx::",
    "__cxxabiv1::",
    "<std::",
    "<core::",
)
"""How names of C++'s and Rust's standard libraries begin."""


class SourceLine(NamedTuple):
    """A line of source; `here` marks the frame's own."""

    number: int
    text: str
    here: bool


class ShownFrame(NamedTuple):
    """The facts of a native frame in a row. `pc` is None unless nothing else is known of the frame.

    Frames of many cells differ in their addresses only, so equal rows are rendered once (`Site.remember`).
    """

    function: str | None
    module: str | None
    offset: int | None
    file: str | None
    line: int | None
    exact: bool
    trampoline: bool
    scanned: bool
    pc: str | None

    @classmethod
    def of(cls, frame: NativeFrame) -> "ShownFrame":
        """The facts of a frame that its row shows."""
        return cls(
            frame.function,
            frame.module,
            frame.offset,
            frame.file,
            frame.line,
            frame.exact,
            frame.trampoline,
            frame.scanned,
            frame.pc if frame.function is None and frame.offset is None else None,
        )


class StackRow(NamedTuple):
    """A row of a stack: a native or Python frame, one that is missing, or frames that are left out.

    `number` is the native frame's, 0 for the innermost; `fault` marks where the original fault happened,
    `expected` a frame that the scenario names, `own` the code under test. `missing` is a function that the
    scenario names and that is not on the stack here. Of the `left_out` frames `repeats` says in words which
    they repeat, where they are further rounds of a recursion; `of_interpreter`: all of them are plain.
    """

    number: int = 0
    native: ShownFrame | None = None
    python: PythonFrame | None = None
    fault: bool = False
    expected: bool = False
    own: bool = False
    source: tuple[SourceLine, ...] = ()
    missing: str | None = None
    left_out: int = 0
    repeats: str = ""
    of_interpreter: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is an ordinary frame of the interpreter, or repeats such frames."""
        if self.fault or self.expected or self.own or self.native is None:
            return self.of_interpreter
        return is_interpreter_file(self.native.module)

    @property
    def frames(self) -> int:
        """The number of frames that it stands for."""
        return self.left_out or 1

    @property
    def call(self) -> Hashable:
        """What it has in common with another call of the same function; nothing where the row is special."""
        if self.fault or self.expected or self.missing is not None:
            return self
        if self.python:
            return self.python.function, self.python.file
        frame = self.native
        return frame and (
            frame.function,
            frame.module,
            None if frame.function else frame.offset,
            frame.trampoline,
        )


class Fold(NamedTuple):
    """Rows of a stack; folded into one line where `summary` is not empty."""

    rows: tuple[StackRow, ...]
    summary: str = ""


def is_own(frame: NativeFrame | ShownFrame) -> bool:
    """Whether a frame is in the scenario's code, in one of its packages or in the user's code.

    Not so where a standard library is compiled into that code.
    """
    own = frame.module is not None and frame.module.startswith(UNDER_TEST)
    return own and not (frame.function or "").startswith(_LIBRARIES)
