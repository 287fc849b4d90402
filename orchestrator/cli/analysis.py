"""A crash on one page: what happened, where, and the limits of the evidence, before the details."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.model import Crash, Environment, NativeFrame, Thread, Variable
from orchestrator.model.recursion import Repeats, folded, native_calls, python_calls

REGISTERS_A_LINE: Final = 4
INNERMOST: Final = 12
"""Frames that are shown of a thread that did not crash."""

NAMES: Final = 60
"""Variables that are shown."""


def show_crash(console: Console, crash: Crash) -> None:
    """Print the page."""
    for line in _page(crash):
        console.print(line, soft_wrap=True, highlight=False)
    if crash.modules:
        console.print(_modules(crash))


def _page(crash: Crash) -> Iterator[str]:
    yield from _headline(crash)
    for warning in crash.warnings:
        yield f"[yellow]note:[/] {escape(warning)}"
    crashed = crash.crashed_thread
    if crashed:
        yield ""
        yield f"[bold]Thread {crashed.tid}, which {'took the signal' if crash.hang else 'crashed'}[/]"
        yield from _waits(crashed)
        yield from _stack(crashed, crash)
        yield from _python(crashed)
        yield from _registers(crashed)
    yield from _disassembly(crash)
    if crash.environment:
        yield from _environment(crash.environment)
    others = [thread for thread in crash.threads if not thread.crashed]
    if others:
        yield ""
        yield f"[bold]{len(others)} other threads[/]"
    for thread in others:
        yield f"Thread {thread.tid}"
        yield from _waits(thread)
        yield from _stack(thread, crash, INNERMOST)
        yield from _python(thread)
    if crash.modules:
        yield ""
        yield f"[bold]{len(crash.modules)} modules[/]"


def _headline(crash: Crash) -> Iterator[str]:
    signal = crash.signal
    code = f" ({signal.code})" if signal.code else ""
    address = f" at address {signal.fault_address}" if signal.fault_address else ""
    yield f"[bold red]{escape(signal.name)}[/]{escape(code)}{address}"
    if crash.hang:
        yield "  it hung, and was made to write this core"
    if signal.meaning:
        yield f"  {escape(signal.meaning)}"
    if signal.sender:
        yield f"  sent by process {signal.sender.pid}, user {signal.sender.uid}"
    if signal.delivered:
        yield f"  its handler ended the process with {escape(signal.delivered)}"
    if crash.message:
        yield f"  it said: [bold]{escape(crash.message)}[/]"
    yield f"in      {_place(crash)}"
    words = " ".join(crash.command) or crash.process or "unknown"
    yield f"process {escape(words)} ({crash.arch}{', core truncated' if crash.truncated else ''})"
    yield f"key     [bold]{escape(crash.signature)}[/] [dim]({escape(crash.signature_note)})[/]"
    if crash.named_from:
        yield f"names   {escape(crash.named_from)}"
    used = [f"{name} {version}" for name, version in crash.backends.items() if version is not None]
    unused = [name for name, version in crash.backends.items() if version is None]
    said = f"; not used: {', '.join(unused)}" if unused else ""
    yield f"read by {escape(', '.join(used) or 'the notes of the core alone')}{escape(said)}"


def _place(crash: Crash) -> str:
    site = crash.crash
    if site.pc is None:
        return "an unknown place"
    frame = NativeFrame(
        function=site.function, module=site.module, offset=site.offset, pc=site.pc, exact=site.exact
    )
    build = f" [dim]build id {site.build_id}[/]" if site.build_id else ""
    return f"{_frame(frame)}{build}"


def _stack(thread: Thread, crash: Crash, most: int | None = None) -> Iterator[str]:
    """The native frames, a recursion folded; of a thread that did not crash `most` lines."""
    left = len(thread.native)
    for item in islice(folded(native_calls(thread)), most):
        if isinstance(item, Repeats):
            left -= item.left_out
            yield f"       [dim]... {item.words()}[/]"
            continue
        left -= 1
        frame = thread.native[item]
        here = frame.pc == crash.crash.pc and frame.function == crash.crash.function
        yield f"  {'[red]>[/]' if here else ' '}#{item:<3}{_frame(frame)}"
    if left:
        yield f"  ... and {left} frames outside these (all are in --json)"


def _frame(frame: NativeFrame) -> str:
    if frame.trampoline:
        return "[dim]<signal handler called>[/]"
    module = f" in {escape(PurePosixPath(frame.module).name)}" if frame.module else ""
    offset = "" if frame.offset is None else f"+{frame.offset:#x}"
    scanned = " [yellow](found on the stack, not unwound)[/]" if frame.scanned else ""
    if frame.generated:
        return f"[dim]{frame.pc}[/] [yellow](code that {escape(frame.generated)} generated)[/]{scanned}"
    if frame.function is None:
        return f"[dim]{frame.pc}[/]{module}{offset if frame.module else ''}{scanned}"
    doubt = "" if frame.exact else " [yellow](nearest symbol)[/]"
    source = f" [dim]{escape(frame.file)}:{frame.line}[/]" if frame.file else ""
    return f"[bold]{escape(frame.function)}[/]{offset}{doubt}{module}{source}{scanned}"


def _python(thread: Thread) -> Iterator[str]:
    if thread.python:
        yield "  [bold]Python[/], innermost first"
    for item in folded(python_calls(thread.python)):
        if isinstance(item, Repeats):
            yield f"    [dim]... {item.words(())}[/]"
            continue
        frame = thread.python[item]
        loop = "" if frame.native is None else f" [dim](run by #{frame.native})[/]"
        yield f"    {escape(frame.function)} [dim]{escape(frame.file)}:{frame.line}[/]{loop}"


def _waits(thread: Thread) -> Iterator[str]:
    if thread.waits:
        yield f"  [bold]{escape(thread.waits.text)}[/]"


def _registers(thread: Thread) -> Iterator[str]:
    items = list(thread.registers.items())
    if items:
        yield "  [bold]Registers[/]"
    for start in range(0, len(items), REGISTERS_A_LINE):
        row = items[start : start + REGISTERS_A_LINE]
        yield "    " + "  ".join(f"{name:>6} {value:<18}" for name, value in row).rstrip()


def _disassembly(crash: Crash) -> Iterator[str]:
    lines = crash.crash.disassembly
    if lines:
        yield "  [bold]Around the pc[/]"
    for line in lines:
        values = f"   [bold]; {escape(line.operands)}[/]" if line.operands else ""
        mark = "[red]=>[/]" if line.current else "  "
        yield f"   {mark} [dim]{line.address}[/]  {escape(line.text)}{values}"


def _environment(environment: Environment) -> Iterator[str]:
    yield ""
    place = f" at {environment.environ}" if environment.environ else ""
    count = len(environment.variables)
    yield f"[bold]Environment[/], {count} variables, from {escape(environment.source)}{place}"
    yield f"  {_names(environment.variables)}"
    walked = environment.walked
    if walked is None:
        return
    yield f"  [red]The crash walked another array[/], at {walked.address}: {escape(walked.found)}"
    yield f"  {walked.kept} of its entries are in environ too, {walked.overwritten} are overwritten"
    for title, variables in (("only in environ", walked.added), ("only in the old array", walked.removed)):
        if variables:
            yield f"  {title}: [bold]{_names(variables)}[/]"


def _names(variables: Sequence[Variable]) -> str:
    shown = [item.name if item.value is None else f"{item.name}={item.value}" for item in variables[:NAMES]]
    more = f", and {len(variables) - NAMES} more (all are in --json)" if len(variables) > NAMES else ""
    return escape(", ".join(shown) + more)


def _modules(crash: Crash) -> Table:
    table = Table("base", "build id", "path", header_style="dim", pad_edge=False, box=None)
    for module in crash.modules:
        table.add_row(module.base or "?", module.build_id or "?", escape(module.path), style="dim")
    return table
