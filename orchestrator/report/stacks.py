"""Stacks as pages show them: native and Python frames merged, long runs folded, equal threads grouped."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from orchestrator.model import Crash, Excerpt, NativeFrame, PythonFrame, Thread
from orchestrator.model.frame_names import found_places, is_interpreter_file
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO, VENV

FRAMES: Final = 160
"""Frames of one stack that a page shows: the innermost ones, and the outermost tenth of them."""
GROUPS: Final = 40
"""Different stacks of other threads that a page shows."""
NAME: Final = 100
"""Characters of a function's name in a row; those of C++ templates have hundreds."""
IDS: Final = 12
"""Thread ids that a line names."""
KEPT: Final = 256
"""Stacks whose rows are kept, each of at most `FRAMES` frames."""
FOLDED: Final = 3
"""The fewest frames of the interpreter in a row that are folded into one line."""
_UNDER_TEST: Final = (f"{HOME}/{SCENARIO}/", f"{VENV}/", f"{PROJECT}/")
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
    """A row of a stack: a native or Python frame, one that is missing, or a number of frames left out.

    `number` is the native frame's, 0 for the innermost; `fault` marks where the original fault happened,
    `expected` a frame that the scenario names, `own` the code under test. `missing` is a function that the
    scenario names and that is not on the stack here.
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

    @property
    def plain(self) -> bool:
        """Whether it is an ordinary frame of the interpreter."""
        special = self.fault or self.expected or self.own or self.native is None
        return not special and self.native is not None and is_interpreter_file(self.native.module)


class Fold(NamedTuple):
    """Rows of a stack; folded into one line where `summary` is not empty."""

    rows: tuple[StackRow, ...]
    summary: str = ""


class _StackKey(NamedTuple):
    """All that the rows of a stack depend on; stacks of many cells differ in addresses only."""

    native: tuple[ShownFrame, ...]
    python: tuple[PythonFrame, ...]
    fault: int | None
    excerpts: tuple[Excerpt, ...]
    expected: tuple[str, ...]

    @classmethod
    def of(cls, crash: Crash, thread: Thread, expected: Sequence[str]) -> "_StackKey":
        """The key of a thread's stack."""
        native = tuple(map(ShownFrame.of, thread.native))
        return cls(native, thread.python, _fault_index(crash, thread), crash.excerpts, tuple(expected))


@dataclass(frozen=True, kw_only=True)
class ThreadGroup:
    """Threads whose stacks are the same."""

    threads: tuple[Thread, ...]

    @property
    def shown(self) -> Thread:
        """The thread that represents the group."""
        return self.threads[0]

    @property
    def count(self) -> int:
        """The number of threads."""
        return len(self.threads)

    @property
    def others(self) -> str:
        """The ids of the threads that are not shown, as many as fit a line."""
        ids = [str(thread.tid) for thread in self.threads[1:]]
        return ", ".join(ids[:IDS]) + (", …" if len(ids) > IDS else "")


def stack(crash: Crash, thread: Thread, expected: Sequence[str] = ()) -> tuple[Fold, ...]:
    """A thread's frames as a page shows them, innermost first.

    Folded are the frames of a signal's handler, which stand above the fault, and runs of the interpreter's.
    """
    return _folded(_StackKey.of(crash, thread, expected))


@functools.lru_cache(maxsize=KEPT)
def _folded(key: "_StackKey") -> tuple[Fold, ...]:
    rows = _rows(key)
    start = next((at for at, row in enumerate(rows) if row.fault), 0)
    trampoline = next((at for at in range(start - 1, -1, -1) if _is_trampoline(rows[at])), None)
    above = 0 if trampoline is None else trampoline + 1
    if above <= 1 or any(row.expected for row in rows[:above]):
        return tuple(_folds(rows))
    handler = Fold(rows[:above], f"{above - 1} frames of the signal handler, above the fault")
    return (handler, *_folds(rows[above:]))


def stack_rows(crash: Crash, thread: Thread, expected: Sequence[str] = ()) -> tuple[StackRow, ...]:
    """A thread's frames, innermost first; Python frames stand above the native frame that runs them.

    The fault is the first frame of the crashed thread at the crash's own pc; a hang has none.
    `expected` names functions in this order; those that are not there have a row of their own.
    """
    return _rows(_StackKey.of(crash, thread, expected))


def _rows(key: "_StackKey") -> tuple[StackRow, ...]:
    fault, sources = key.fault, _sources(key.excerpts)
    above: dict[int, list[StackRow]] = {}
    for item in key.python:
        if item.native is not None:
            own = item.file.startswith(_UNDER_TEST)
            row = StackRow(python=item, own=own, source=sources.pop((item.file, item.line), ()))
            above.setdefault(item.native, []).append(row)
    places = found_places([frame.function for frame in key.native], key.expected)
    missing = _missing(key.expected, places, (fault or 0) - 1)
    rows = [StackRow(missing=name) for name in missing.get(-1, ())]
    for index, frame in enumerate(key.native):
        rows += above.get(index, ())
        rows.append(
            StackRow(
                number=index,
                native=frame,
                fault=index == fault,
                expected=index in places,
                own=is_own(frame),
                source=sources.pop((frame.file, frame.line), ()),
            )
        )
        rows += [StackRow(missing=name) for name in missing.get(index, ())]
    return tuple(_cut(rows, fault or 0))


def is_own(frame: NativeFrame | ShownFrame) -> bool:
    """Whether a frame is in the scenario's code, in one of its packages or in the user's code.

    Not so where a standard library is compiled into that code.
    """
    own = frame.module is not None and frame.module.startswith(_UNDER_TEST)
    return own and not (frame.function or "").startswith(_LIBRARIES)


def unplaced(thread: Thread) -> tuple[PythonFrame, ...]:
    """The Python frames without a known native frame."""
    count = len(thread.native)
    return tuple(item for item in thread.python if item.native is None or item.native >= count)


def other_threads(crash: Crash) -> tuple[ThreadGroup, ...]:
    """The threads that did not crash; threads that wait in the same place are one group."""
    groups: dict[object, list[Thread]] = {}
    for thread in crash.threads:
        if not thread.crashed:
            groups.setdefault(_likeness(thread), []).append(thread)
    return tuple(ThreadGroup(threads=tuple(threads)) for threads in groups.values())


def _fault_index(crash: Crash, thread: Thread) -> int | None:
    if not thread.crashed or crash.hang or crash.crash.pc is None:
        return None
    return next((index for index, frame in enumerate(thread.native) if frame.pc == crash.crash.pc), None)


def _missing(expected: Sequence[str], places: Sequence[int | None], top: int) -> dict[int, list[str]]:
    """The expected functions that were not found, by the frame outside of which each should stand.

    `top` is the frame above those that are looked at, -1 where there is none.
    """
    found: dict[int, list[str]] = {}
    last = top
    for name, place in zip(expected, places, strict=True):
        if place is None:
            found.setdefault(last, []).append(name)
        else:
            last = place
    return found


def _sources(excerpts: Iterable[Excerpt]) -> dict[tuple[str | None, int | None], tuple[SourceLine, ...]]:
    """The source lines by the place that a frame names; a stack shows each once."""
    return {
        (item.file, item.line): tuple(
            SourceLine(number, text, number == item.line)
            for number, text in enumerate(item.lines, item.first)
        )
        for item in excerpts
    }


def _folds(rows: Sequence[StackRow]) -> Iterator[Fold]:
    for plain, run in groupby(rows, key=lambda row: row.plain):
        members = tuple(run)
        folded = plain and len(members) >= FOLDED
        yield Fold(members, _summary(members) if folded else "")


def _summary(rows: Sequence[StackRow]) -> str:
    first, last = (_name(row) for row in (rows[0], rows[-1]))
    return f"{len(rows)} frames of the interpreter: {first} … {last}"


def _name(row: StackRow) -> str:
    return (row.native.function if row.native else None) or "??"


def _is_trampoline(row: StackRow) -> bool:
    return row.native is not None and row.native.trampoline


def _likeness(thread: Thread) -> object:
    native = tuple((frame.function, frame.module, frame.offset) for frame in thread.native)
    return native, tuple((frame.function, frame.file, frame.line) for frame in thread.python)


def _cut(rows: Sequence[StackRow], fault: int) -> Iterator[StackRow]:
    """The rows to show of a long stack: its beginning, the fault and its end."""
    end = FRAMES // 10
    start = max(FRAMES - end, min(fault + 8, 4 * FRAMES))
    if len(rows) <= start + end:
        yield from rows
        return
    yield from rows[:start]
    yield StackRow(left_out=len(rows) - start - end)
    yield from rows[-end:]
