"""Limits on an input of a fuzzer: of time, by the kernel's clock, and of memory."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ADDRESS_SPACE: Final = 16 << 30
"""Bytes that a process may map: a core of 8 GiB, and as much again."""


def limit_memory() -> None:
    """What an input asks for beyond all bounds must fail here, not take this host's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block after some seconds; for the main thread alone."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
