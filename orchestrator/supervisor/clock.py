"""The clock of time limits: what the processes here waited for a processor does not count.

A limit is there to tell a process that hangs from one that runs. On a busy machine the latter may not have
come far when it has passed, and a verdict must not depend on what else the machine does.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

SLOWEST = 10
"""How much slower than the wall's this clock may be: a process that waits all the time ends too."""
LONGEST = SLOWEST + 1
"""At most so many times a limit's seconds pass on the wall."""
NANOSECONDS = 1e9


class Clock:
    """Seconds of `time.monotonic` without those that the longest waiting process waited for a processor.

    That is looked up only when a deadline seems to have passed. The kernel counts it for each thread; the
    first one of a process stands for all, or threads that only wait for each other would have no limit. With
    a kernel that counts nothing this is the wall's clock.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self._looked = time.monotonic()
        self._known: dict[int, float] = {}

    def now(self) -> float:
        """The time, to add a limit to."""
        return time.monotonic() - self.waited

    def left(self, deadline: float) -> float:
        """Seconds until a deadline, not positive if it has passed."""
        if deadline > self.now():
            return deadline - self.now()
        self._look()
        return deadline - self.now()

    def _look(self) -> None:
        found, now = waits(os.getpid()), time.monotonic()
        longest = max((wait - self._known.get(pid, 0.0) for pid, wait in found.items()), default=0.0)
        self.waited += min(max(longest, 0.0), (now - self._looked) * (1 - 1 / SLOWEST))
        self._known, self._looked = found, now


def waits(ancestor: int) -> dict[int, float]:
    """Seconds that the first thread of each descendant of a process has waited for a processor, by pid."""
    found, level, parents = {}, {ancestor}, _parents()
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        for pid in level:
            with suppress(OSError, ValueError):  # it has ended, or the kernel does not count
                found[pid] = int(_fields(f"{pid}/schedstat")[1]) / NANOSECONDS
    return found


def _parents() -> dict[int, int]:
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it has ended
            parents[int(name)] = int(_fields(f"{name}/stat")[1])
    return parents


def _fields(file: str) -> list[bytes]:
    """The fields of a file of /proc, without those up to a program's name, which may have any bytes."""
    with open(f"/proc/{file}", "rb") as opened:
        return opened.read().rpartition(b")")[2].split()


CLOCK = Clock()
"""Of all that this program waits for."""
