"""The threads that did not crash, in groups of equal stacks."""

from dataclasses import dataclass
from typing import Final

from orchestrator.model import Crash, Thread

GROUPS: Final = 40
"""Different stacks of other threads that a page shows."""
IDS: Final = 12
"""Thread ids that a line names."""


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


def other_threads(crash: Crash) -> tuple[ThreadGroup, ...]:
    """The threads that did not crash; threads that wait in the same place are one group."""
    groups: dict[object, list[Thread]] = {}
    for thread in crash.threads:
        if not thread.crashed:
            groups.setdefault(_likeness(thread), []).append(thread)
    return tuple(ThreadGroup(threads=tuple(threads)) for threads in groups.values())


def _likeness(thread: Thread) -> object:
    native = tuple((frame.function, frame.module, frame.offset) for frame in thread.native)
    return native, tuple((frame.function, frame.file, frame.line) for frame in thread.python)
