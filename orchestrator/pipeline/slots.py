"""Limits how many containers are up at once; further ones are created and removed meanwhile."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from orchestrator.errors import NotStartedError

AHEAD: Final = 2
"""Cells in progress for each one that may run: a second one's container is created, or its results are
read."""
POLL: Final = 0.2
"""Seconds between two looks at whether the run is stopped."""


class Slots:
    """The slots of a run, each for one container that is up. Once `stop` is set, nothing is started."""

    def __init__(self, count: int, stop: threading.Event) -> None:
        self.count: Final = count
        self.free: Final = threading.Semaphore(count)
        self.stop: Final = stop
        self._lock: Final = threading.Lock()
        self._cells = 0

    def slot(self, given_up: threading.Event | None = None) -> "Slot":
        """A slot, which a cell enters for each of its containers; nobody enters once it is given up."""
        return Slot(self, given_up or threading.Event())

    @contextmanager
    def cell(self) -> Generator[None]:
        """Count a cell as in progress."""
        with self._lock:
            self._cells += 1
        try:
            yield
        finally:
            with self._lock:
                self._cells -= 1

    @property
    def each(self) -> int:
        """How many slots there are for each cell in progress, at least one."""
        return max(1, self.count // max(1, self._cells))


class Slot:
    """One cell's place among those that run. Entering raises NotStartedError once the run is stopped."""

    def __init__(self, slots: Slots, given_up: threading.Event) -> None:
        self._slots = slots
        self._given_up = given_up
        self.waited = 0.0
        """Seconds that the cell waited to enter, in all."""

    def __enter__(self) -> None:
        begin = time.monotonic()
        while not self._slots.free.acquire(timeout=POLL):
            if self._is_over():
                raise _not_started()
        self.waited += time.monotonic() - begin
        if self._is_over():
            self._slots.free.release()
            raise _not_started()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slots.free.release()

    def _is_over(self) -> bool:
        return self._slots.stop.is_set() or self._given_up.is_set()


def _not_started() -> NotStartedError:
    return NotStartedError("the run was stopped before the container started", hint="resume the run")
