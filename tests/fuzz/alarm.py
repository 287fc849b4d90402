"""Limits on an input of a fuzzer: of time, by the kernel's clock, and of memory."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ADDRESS_SPACE: Final = 16 << 30
"""Bytes that a process may map: a core of 8 GiB, and as much again."""


WAIT: Final = 600
"""Seconds by the clock after which an input waits for what never comes, such as a pipe's writer."""


def limit_memory() -> None:
    """Limit this process's address space, so that an excessive allocation fails."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


class LateError(BaseException):
    """An input took too long. No Exception: the program catches OSError, of which TimeoutError is one."""


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise LateError in the block after some seconds of processor time; for the main thread alone.

    A busy machine takes many times as long by the clock, so that this judges only what waits without end.
    """

    def late(number: int, _frame: FrameType | None) -> None:
        of = "processor time" if number == signal.SIGPROF else "the clock"
        raise LateError(f"it took more than {seconds if number == signal.SIGPROF else WAIT} s of {of}")

    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(WAIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
