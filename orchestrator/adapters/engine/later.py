"""Calls that nobody waits for: a container's removal takes as long as its start."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import Final

from orchestrator.errors import HostError

AT_ONCE: Final = 2
MOST: Final = 8
"""Calls that wait or run; who adds one more makes it himself, so that containers cannot pile up."""


class Later:
    """Calls in the background. One that raises HostError is dropped: who needs it must look at the end."""

    def __init__(self) -> None:
        self._room = BoundedSemaphore(MOST)
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def do(self, call: Callable[[], None]) -> None:
        """Make a call soon, or now where too many wait."""
        if not self._room.acquire(blocking=False):
            with suppress(HostError):
                call()
            return
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, "later")
            self._pool.submit(self._do, call)

    def settle(self) -> None:
        """Wait for all calls so far."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            pool.shutdown()

    def _do(self, call: Callable[[], None]) -> None:
        try:
            with suppress(HostError):
                call()
        finally:
            self._room.release()
