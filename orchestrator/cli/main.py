"""Parses the command line, runs its command, and turns every error into one line and an exit code."""

__lazy_modules__ = ("orchestrator.cli",)

import errno
import gc
import os
import signal
import sys
import termios
from collections.abc import Sequence
from types import FrameType
from typing import Final

from orchestrator.cli import console
from orchestrator.cli.options import build_parser
from orchestrator.errors import EXIT_HOST, EXIT_OK, CrashmatrixError

ALLOCATIONS: Final = 200_000
"""New objects until the garbage collector looks for cycles. Python's 700 cost a tenth of a short command, and
each look at what the imports of `analyze` made takes 10 ms."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (orchestrator.errors has their meanings)."""
    gc.set_threshold(ALLOCATIONS)
    try:
        hear_signals()
        words = sys.argv[1:] if argv is None else argv
        arguments = build_parser(words).parse_args(words)
        return int(arguments.command(arguments))
    except CrashmatrixError as error:
        for line in str(error).splitlines():
            console.complain(line)
        return error.exit_code
    except KeyboardInterrupt:
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more would be a traceback
        console.complain("interrupted")
        signal.signal(signal.SIGINT, usual)
        return EXIT_HOST
    except BrokenPipeError:
        # The reader (head, less) has enough; keep the interpreter from failing again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except OSError as error:
        console.complain(f"{error}; correct this and run the command again")
        return EXIT_HOST


def hear_signals() -> None:
    """Have SIGTERM and SIGHUP drain as Ctrl-C does; what is ignored, as under nohup, stays so."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, _interrupt)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hang_up)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """CI systems and `timeout` send SIGTERM."""
    raise KeyboardInterrupt


def _hang_up(_number: int, _frame: FrameType | None) -> None:
    """The terminal was closed.

    Kernel and shell may both send SIGHUP, and a second one would kill the drain.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and _is_gone(stream.fileno()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise KeyboardInterrupt


def _is_gone(descriptor: int) -> bool:
    """Whether a descriptor is of a terminal that was closed: writing to it fails from now on."""
    try:
        termios.tcgetattr(descriptor)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False
