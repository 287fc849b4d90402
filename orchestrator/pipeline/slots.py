"""How many containers of a run are up at once; the next ones are made meanwhile, the last ones removed."""

import threading
import time
from types import TracebackType
from typing import Final

from orchestrator.errors import NotStartedError

AHEAD: Final = 2
"""Cells that are worked on for each that may run: of another one the container is made, or the end read."""
POLL: Final = 0.2
"""Seconds between two looks at whether the run is stopped."""


class Slots:
    """So many containers of a run may be up; nothing is started any more once `stop` is set."""

    def __init__(self, count: int, stop: threading.Event) -> None:
        self.free: Final = threading.Semaphore(count)
        self.stop: Final = stop

    def slot(self) -> "Slot":
        """What a cell enters for each of its containers."""
        return Slot(self)


class Slot:
    """One cell's place among those that run. Entering raises NotStartedError once the run is stopped."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.waited = 0.0
        """Seconds that the cell waited to enter, in all."""

    def __enter__(self) -> None:
        begin = time.monotonic()
        while not self._slots.free.acquire(timeout=POLL):
            if self._slots.stop.is_set():
                raise _not_started()
        self.waited += time.monotonic() - begin
        if self._slots.stop.is_set():
            self._slots.free.release()
            raise _not_started()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slots.free.release()


def _not_started() -> NotStartedError:
    return NotStartedError("the run was stopped before the container started", hint="resume the run")
