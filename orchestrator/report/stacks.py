"""Stacks as pages show them: native and Python frames merged, repetitions folded."""

import functools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from orchestrator.model import Crash, Excerpt, PythonFrame, Thread
from orchestrator.model.frame_names import found_places
from orchestrator.model.recursion import Repeats, folded
from orchestrator.report.stack_rows import UNDER_TEST, Fold, ShownFrame, SourceLine, StackRow, is_own

FRAMES: Final = 160
"""Frames of one stack that a page shows: the innermost ones, and the outermost tenth of them."""
NAME: Final = 100
"""Characters of a function's name in a row; those of C++ templates have hundreds."""
KEPT: Final = 256
"""Stacks whose rows are kept, each of at most `FRAMES` frames."""
FOLDED: Final = 3
"""The fewest frames of the interpreter in a row that are folded into one line."""


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


def stack(crash: Crash, thread: Thread, expected: Sequence[str] = ()) -> tuple[Fold, ...]:
    """A thread's frames as a page shows them, innermost first.

    Folded are the frames of a signal's handler, which stand above the fault, and runs of the interpreter's.
    The further rounds of a recursion are one row.
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
    count = sum(row.frames for row in rows[: above - 1])
    handler = Fold(rows[:above], f"{count} frames of the signal handler, above the fault")
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
            own = item.file.startswith(UNDER_TEST)
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
    return tuple(_cut(list(_without_rounds(rows)), fault or 0))


def _calls(rows: Iterable[StackRow]) -> Iterator[Hashable]:
    """What makes rows the same: of a native frame also the Python functions above it, which it runs."""
    above: list[Hashable] = []
    for row in rows:
        if row.python:
            above.append(row.call)
            yield row.call
        else:
            yield (row.call, *above)
            above.clear()


def _without_rounds(rows: Sequence[StackRow]) -> Iterator[StackRow]:
    """The rows with the further rounds of a recursion in one row each."""
    for item in folded(list(_calls(rows))):
        if not isinstance(item, Repeats):
            yield rows[item]
            continue
        cycle = rows[item.first : item.last + 1]
        yield StackRow(
            left_out=item.left_out,
            repeats=item.words([row.number for row in cycle if row.native]),
            of_interpreter=all(row.plain for row in cycle),
        )


def unplaced(thread: Thread) -> tuple[PythonFrame, ...]:
    """The Python frames without a known native frame."""
    count = len(thread.native)
    return tuple(item for item in thread.python if item.native is None or item.native >= count)


def unplaced_rows(thread: Thread) -> tuple[StackRow, ...]:
    """The Python frames without a known native frame as rows, a recursion folded."""
    return tuple(_without_rounds([StackRow(python=frame) for frame in unplaced(thread)]))


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
    named = [row for row in rows if row.native]
    first, last = _name(named[0]), _name(named[-1])
    return f"{sum(row.frames for row in rows)} frames of the interpreter: {first} … {last}"


def _name(row: StackRow) -> str:
    return (row.native.function if row.native else None) or "??"


def _is_trampoline(row: StackRow) -> bool:
    return row.native is not None and row.native.trampoline


def _cut(rows: Sequence[StackRow], fault: int) -> Iterator[StackRow]:
    """The rows to show of a long stack: its beginning, the fault and its end."""
    end = FRAMES // 10
    start = max(FRAMES - end, min(fault + 8, 4 * FRAMES))
    if len(rows) <= start + end:
        yield from rows
        return
    yield from rows[:start]
    yield StackRow(left_out=sum(row.frames for row in rows[start:-end]))
    yield from rows[-end:]
