"""One crash in words: its signal, its place, its stack as plain text."""

from collections.abc import Iterator
from typing import Final

from orchestrator.model import Crash, SignalInfo, Thread
from orchestrator.report import hangs
from orchestrator.report.stack_rows import ShownFrame
from orchestrator.report.stacks import stack_rows, unplaced_rows

WAITS: Final = 40
"""The most threads of a hang that are described; result.json has all."""


def signal_words(signal: SignalInfo) -> str:
    """The original fault with code, address and, where it differs, the signal that ended the process."""
    words = " ".join(part for part in (signal.name, signal.code) if part)
    if signal.fault_address:
        words += f" at {signal.fault_address}"
    if signal.delivered and signal.delivered != signal.name:
        words += f" (the process then ended by {signal.delivered}, which a handler raised)"
    return words


def site_words(crash: Crash) -> str:
    """The place of a fault: function, module, and how sure the function is."""
    site = crash.crash
    where = function_words(site.function, site.offset)
    module = f" in {site.module}" if site.module else ""
    sure = "" if site.exact else " (nearest symbol only)" if site.function else " (no symbol)"
    return f"{where}{module}{sure}"


def function_words(function: str | None, offset: int | None) -> str:
    """A function with its offset; without a symbol `??` with the offset from the module's base."""
    return f"{function or '??'}" if offset is None else f"{function or '??'}+{offset:#x}"


def frame_line(index: int, frame: ShownFrame) -> str:
    """A native frame as one line of plain text."""
    if frame.trampoline:
        return f"#{index:<3} <signal handler called>  (below is what it interrupted)"
    place = f" at {frame.file}:{frame.line}" if frame.file and frame.line else ""
    sure = "" if frame.exact or frame.function is None else "  [nearest symbol]"
    return f"#{index:<3} {function_words(frame.function, frame.offset)} ({frame.module or '??'}){place}{sure}"


def backtrace_text(crash: Crash) -> str:
    """A crash as plain text: the signal, or what the threads of a hang wait for; then the crashed thread."""
    thread = crash.crashed_thread
    lines = [hang_words(crash), *crash.waits[:WAITS]] if crash.hang else [signal_words(crash.signal)]
    if thread is None:
        return "\n".join([*lines, "no thread could be read"])
    return "\n".join([*lines, *stack_lines(crash, thread)])


def stack_lines(crash: Crash, thread: Thread) -> Iterator[str]:
    """A thread's frames as plain text, innermost first, Python frames among them."""
    for row in (*stack_rows(crash, thread), *unplaced_rows(thread)):
        if row.repeats:
            yield f"     {row.repeats}"
        elif row.left_out:
            yield f"     {row.left_out:,} frames left out"
        elif row.python:
            yield f"py   {row.python.function} ({row.python.file}:{row.python.line})"
        elif row.native:
            yield f"{frame_line(row.number, row.native)}{'  <- fault' if row.fault else ''}"


def hang_words(crash: Crash) -> str:
    """The hang in one sentence, and whose signal ended it."""
    return f"{hangs.sentence(crash)} crashmatrix sent it {crash.signal.name}, to have this core written."
