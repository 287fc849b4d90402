"""Parses the command line, runs its command, and turns every error into one line and an exit code."""

__lazy_modules__ = ("orchestrator.cli",)

import gc
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final

from orchestrator.cli import console
from orchestrator.cli.options import build_parser
from orchestrator.errors import EXIT_HOST, EXIT_OK, CrashmatrixError

ALLOCATIONS: Final = 50_000
"""New objects until the garbage collector looks for cycles. Python's 700 cost a tenth of a short command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (orchestrator.errors has their meanings)."""
    gc.set_threshold(ALLOCATIONS)
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(arguments.command(arguments))
    except CrashmatrixError as error:
        for line in str(error).splitlines():
            console.complain(line)
        return error.exit_code
    except KeyboardInterrupt:
        console.complain("interrupted")
        return EXIT_HOST
    except BrokenPipeError:
        # The reader (head, less) has enough; keep the interpreter from failing again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except OSError as error:
        console.complain(f"{error}; fix that, and repeat the command")
        return EXIT_HOST


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM drains as Ctrl-C does; CI systems and `timeout` send it."""
    raise KeyboardInterrupt
