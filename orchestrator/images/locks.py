"""Locks between the runs of one host: no image is built twice at once, and no build loses its stages.

Each run that builds holds the host's lock shared; each image being built has a lock of its own. So two runs
build different images side by side, and a run that needs what another is building waits for that alone.
"""

import fcntl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import IO, Final

from orchestrator.adapters.cache import cache_folder

LOCKS: Final = "locks"
BUILD: Final = "build"
POLL: Final = 0.2
"""Seconds between two attempts at a lock that another run holds."""


@contextmanager
def building(stop: threading.Event, afterwards: Callable[[], None]) -> Generator[bool]:
    """Held while images are built. Yields False if `stop` came first.

    Calls `afterwards` at the end, unless another run is building: then that one's end calls it.
    """
    with (cache_folder(LOCKS) / BUILD).open("a") as lock:
        held = _wait(lock, fcntl.LOCK_SH, stop)
        yield held
        if held and _try(lock, fcntl.LOCK_EX):
            afterwards()


@contextmanager
def image_lock(key: str, stop: threading.Event, waiting: Callable[[], None]) -> Generator[bool]:
    """Held while one image is built; calls `waiting` once if another run is building it.

    Yields False if `stop` came first.
    """
    with (cache_folder(LOCKS) / f"image-{key[:16]}").open("a") as lock:
        held = _try(lock, fcntl.LOCK_EX)
        if not held:
            waiting()
            held = _wait(lock, fcntl.LOCK_EX, stop)
        yield held


@contextmanager
def file_lock(sha256: str, stop: threading.Event) -> Generator[bool]:
    """Held while one file is fetched, so that two images that need it wait for one download.

    Yields False if `stop` came first.
    """
    with (cache_folder(LOCKS) / f"file-{sha256[:16]}").open("a") as lock:
        yield _wait(lock, fcntl.LOCK_EX, stop)


def _wait(lock: IO[str], operation: int, stop: threading.Event) -> bool:
    while not (held := _try(lock, operation)) and not stop.is_set():
        time.sleep(POLL)
    return held


def _try(lock: IO[str], operation: int) -> bool:
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
