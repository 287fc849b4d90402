"""Recursion in a stack: the calls of a cycle, and how often it repeats. All texts of a stack use it."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from orchestrator.model.crash import PythonFrame, Thread

MAX_PERIOD: Final = 32
"""Functions that call each other in turn; three rounds of them are among the frames that are read."""
ROUNDS: Final = 3
SHORTEST: Final = 16
"""Frames that must repeat, so that two functions that happen to call each other twice are no recursion."""


class _Frame(Protocol):
    @property
    def function(self) -> str | None: ...
    @property
    def module(self) -> str | None: ...
    @property
    def offset(self) -> int | None: ...
    @property
    def trampoline(self) -> bool: ...
    @property
    def scanned(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeats:
    """Calls of a stack that repeat earlier ones: the calls `first` to `last` (indices) occur `times` more."""

    first: int
    last: int
    times: int

    @property
    def left_out(self) -> int:
        """The number of calls that this stands for."""
        return (self.last - self.first + 1) * self.times

    def words(self, numbers: Sequence[int] | None = None) -> str:
        """The repetition in words; `numbers` are those of the frames where they are not their indices.

        Empty `numbers` are for frames that are shown without one.
        """
        times = f"{self.times:,} time{'' if self.times == 1 else 's'} more"
        held = range(self.first, self.last + 1) if numbers is None else numbers
        if len(held) == 0:
            count = self.last - self.first + 1
            return (
                f"the last call repeats {times}" if count == 1 else f"the last {count} calls repeat {times}"
            )
        if held[0] == held[-1]:
            return f"the call of frame {held[0]} repeats {times}"
        return f"the calls of frames {held[0]} to {held[-1]} repeat {times}"


def folded(calls: Sequence[Hashable]) -> Iterator[int | Repeats]:
    """The indices of the calls to show, innermost first; Repeats stands for the further rounds of a cycle.

    Calls are the same where they are equal. The first round is shown, and so is a last one that is not whole.
    """
    at = 0
    while at < len(calls):
        period, rounds = _cycle(calls, at)
        yield from range(at, at + period)
        if rounds > 1:
            yield Repeats(first=at, last=at + period - 1, times=rounds - 1)
        at += period * rounds


def native_calls(thread: Thread) -> list[Hashable]:
    """What makes native calls of a thread the same: the function, and the Python functions that it runs."""
    runs: dict[int, list[Hashable]] = {}
    for item, call in zip(thread.python, python_calls(thread.python), strict=True):
        if item.native is not None:
            runs.setdefault(item.native, []).append(call)
    return [(native_call(frame), *runs.get(number, ())) for number, frame in enumerate(thread.native)]


def native_call(frame: _Frame) -> Hashable:
    """A native frame's function, or the place in its module where no function is known."""
    known = frame.function is not None
    return (frame.function, frame.module, None if known else frame.offset, frame.trampoline, frame.scanned)


def python_calls(frames: Sequence[PythonFrame]) -> list[Hashable]:
    """What makes two Python calls the same: function and file."""
    return [(frame.function, frame.file) for frame in frames]


def _cycle(calls: Sequence[Hashable], at: int) -> tuple[int, int]:
    """The length of the cycle that begins at `at`, and its whole rounds; 1 and 1 where nothing repeats."""
    for period in range(1, MAX_PERIOD + 1):
        end = at + period
        while end < len(calls) and calls[end] == calls[end - period]:
            end += 1
        rounds = (end - at) // period
        if rounds >= ROUNDS and rounds * period >= SHORTEST:
            return period, rounds
    return 1, 1
