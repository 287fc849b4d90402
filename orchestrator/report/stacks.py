"""Stacks as pages show them: native and Python frames merged, threads with equal stacks grouped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from orchestrator.model import Crash, NativeFrame, PythonFrame, Thread

FRAMES: Final = 160
"""Frames of one stack that a page shows: the innermost ones, and the outermost tenth of them."""
GROUPS: Final = 40
"""Different stacks of other threads that a page shows."""
IDS: Final = 12
"""Thread ids that a line names."""


class ShownFrame(NamedTuple):
    """What a row shows of a native frame. `pc` is None unless it is all that is known of the frame.

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
    """A row of a stack: a native frame, a Python frame, or the number of frames left out here.

    `number` is the native frame's, 0 for the innermost; `fault` marks where the original fault happened.
    """

    number: int = 0
    native: ShownFrame | None = None
    python: PythonFrame | None = None
    fault: bool = False
    left_out: int = 0


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


def stack_rows(crash: Crash, thread: Thread) -> tuple[StackRow, ...]:
    """A thread's frames, innermost first; Python frames stand above the native frame that runs them.

    The fault is the first frame of the crashed thread at the crash's own pc.
    """
    fault = _fault_index(crash, thread)
    above: dict[int, list[StackRow]] = {}
    for item in thread.python:
        if item.native is not None:
            above.setdefault(item.native, []).append(StackRow(python=item))
    rows: list[StackRow] = []
    for index, frame in enumerate(thread.native):
        rows += above.get(index, ())
        rows.append(StackRow(number=index, native=ShownFrame.of(frame), fault=index == fault))
    return tuple(_cut(rows, fault or 0))


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
    if not thread.crashed or crash.crash.pc is None:
        return None
    return next((index for index, frame in enumerate(thread.native) if frame.pc == crash.crash.pc), None)


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
